//! Container images of a few files each, in an archive for containerd.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// An image FROM scratch, for this machine's architecture.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name, with its tag.
    pub name: String,
    /// What is in it.
    pub files: Vec<File>,
    /// What a container of it runs, unless told otherwise.
    pub entrypoint: String,
}

/// A file of an image.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is, relative to the image's root.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// What it is, and what is in it.
    pub content: Content,
}

/// The kind of a file in an image. A layer can hold every kind that a file system has.
#[derive(Clone, Debug)]
pub enum Content {
    /// An ordinary file, with these bytes.
    Bytes(Vec<u8>),
    /// A block device.
    Block(Device),
    /// A character device.
    Character(Device),
    /// A pipe with a name: who opens it to read waits for a writer.
    Fifo,
    /// A symbolic link to this path.
    Link(String),
}

/// The numbers by which the kernel knows a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Device {
    /// The driver.
    pub major: u32,
    /// Which of the driver's devices.
    pub minor: u32,
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl File {
    /// A file at `path`, relative to the image's root.
    pub fn new(path: &str, mode: u32, content: impl Into<Content>) -> Self {
        Self { path: path.to_owned(), mode, content: content.into() }
    }
}

impl Image {
    /// Of one static `program`, which is the entry point: `/` and its file name.
    ///
    /// # Errors
    /// If the program cannot be read.
    pub fn from_program(name: &str, program: &Path) -> Result<Self> {
        let path = program.file_name().and_then(|name| name.to_str()).context("a program has a name")?.to_owned();
        let content = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        Ok(Self {
            name: name.to_owned(),
            entrypoint: format!("/{path}"),
            files: vec![File::new(&path, 0o555, content)],
        })
    }
}

/// Writes `images` to `archive`: an OCI image layout in a tar file.
///
/// # Errors
/// If the archive cannot be written.
pub fn archive(images: &[Image], archive: &Path) -> Result<()> {
    let file = fs::File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?;
    let mut tar = Builder::new(file);
    let manifests = images.iter().map(|image| append_image(&mut tar, image)).collect::<Result<Vec<_>>>()?;
    let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
    append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    append(&mut tar, "index.json", index.as_bytes(), 0o644)?;
    tar.into_inner()?;
    Ok(())
}

/// Appends the blobs of `image`, and returns what the index says of it.
fn append_image(tar: &mut Builder<fs::File>, image: &Image) -> Result<Value> {
    let mut layer = Builder::new(Vec::new());
    for file in &image.files {
        append_file(&mut layer, file)?;
    }
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Entrypoint": [image.entrypoint] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", &config),
        "layers": [descriptor("layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    for blob in [&layer, &config, &manifest] {
        append(tar, &digest(blob).replace("sha256:", "blobs/sha256/"), blob, 0o644)?;
    }
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = json!({ "io.containerd.image.name": image.name });
    Ok(entry)
}

fn descriptor(kind: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest(blob), "size": blob.len() })
}

fn digest(blob: &[u8]) -> String {
    let hex: String = Sha256::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Appends `file` as what it is.
fn append_file(layer: &mut Builder<Vec<u8>>, file: &File) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(file.mode);
    header.set_size(0);
    match &file.content {
        Content::Bytes(bytes) => return append(layer, &file.path, bytes, file.mode),
        Content::Block(device) => set_device(&mut header, EntryType::Block, *device)?,
        Content::Character(device) => set_device(&mut header, EntryType::Char, *device)?,
        Content::Fifo => header.set_entry_type(EntryType::Fifo),
        Content::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            return Ok(layer.append_link(&mut header, &file.path, target)?);
        }
    }
    Ok(layer.append_data(&mut header, &file.path, std::io::empty())?)
}

fn set_device(header: &mut Header, kind: EntryType, device: Device) -> Result<()> {
    header.set_entry_type(kind);
    header.set_device_major(device.major)?;
    Ok(header.set_device_minor(device.minor)?)
}

fn append(tar: &mut Builder<impl std::io::Write>, path: &str, data: &[u8], mode: u32) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, path, data)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_is_in_the_layer() {
        let device = Device { major: 254, minor: 1 };
        let kinds = [
            (Content::Bytes(b"text".to_vec()), EntryType::Regular),
            (Content::Block(device), EntryType::Block),
            (Content::Character(device), EntryType::Char),
            (Content::Fifo, EntryType::Fifo),
            (Content::Link("../there".to_owned()), EntryType::Symlink),
        ];
        for (content, kind) in kinds {
            let mut layer = Builder::new(Vec::new());
            append_file(&mut layer, &File::new("etc/a", 0o644, content)).unwrap();
            let layer = layer.into_inner().unwrap();
            let mut archive = tar::Archive::new(layer.as_slice());
            let entry = archive.entries().unwrap().next().unwrap().unwrap();
            let header = entry.header();
            assert_eq!((header.entry_type(), header.mode().unwrap()), (kind, 0o644));
            assert_eq!(entry.path().unwrap(), Path::new("etc/a"));
            if matches!(kind, EntryType::Block | EntryType::Char) {
                assert_eq!(header.device_major().unwrap(), Some(254));
                assert_eq!(header.device_minor().unwrap(), Some(1));
            }
            let target = entry.link_name().unwrap();
            assert_eq!(target.is_some_and(|target| target == Path::new("../there")), kind == EntryType::Symlink);
        }
    }
}
