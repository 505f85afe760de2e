//! Container images of a few files each, in an archive for containerd.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

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
    /// What is in it.
    pub content: Vec<u8>,
}

impl Image {
    /// Of one static `program`, which is the entry point: `/` and its file name.
    ///
    /// # Errors
    /// If the program cannot be read.
    pub fn of_program(name: &str, program: &Path) -> Result<Self> {
        let path = program.file_name().and_then(|name| name.to_str()).context("a program has a name")?.to_owned();
        let content = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        Ok(Self {
            name: name.to_owned(),
            entrypoint: format!("/{path}"),
            files: vec![File { path, mode: 0o555, content }],
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
    for File { path, mode, content } in &image.files {
        append(&mut layer, path, content, *mode)?;
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

fn append(tar: &mut Builder<impl std::io::Write>, path: &str, data: &[u8], mode: u32) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, path, data)?;
    Ok(())
}
