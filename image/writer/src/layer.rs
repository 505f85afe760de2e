//! The one layer of an image: a tar archive whose bytes depend on the files alone.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path};

use anyhow::{Context, Result, ensure};
use tar::{Builder, EntryType, Header};

/// What folders need so that every user can reach the files in them.
const FOLDER_MODE: u32 = 0o755;

/// A file of an image.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is, relative to the image's root.
    pub path: String,
    /// Permission bits. Everything belongs to root.
    pub mode: u32,
    /// What it is, and what is in it.
    pub content: Content,
}

/// The kind of a file. A layer can hold every kind that a file system has.
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

impl<T: Into<Vec<u8>>> From<T> for Content {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl File {
    /// A file at `path`, relative to the image's root.
    pub fn new(path: &str, mode: u32, content: impl Into<Content>) -> Self {
        Self { path: path.to_owned(), mode, content: content.into() }
    }
}

/// The archive of `files`, their folders before them, all of them owned by root and without a time.
pub(crate) fn layer(files: &[File]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for file in files {
        let path = Path::new(&file.path);
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(plain && !file.path.is_empty(), "{:?}: expected a path relative to the image's root", file.path);
        let parents: Vec<_> = path.ancestors().skip(1).filter(|folder| *folder != Path::new("")).collect();
        for folder in parents.into_iter().rev() {
            if folders.insert(folder) {
                let header = header(EntryType::Directory, FOLDER_MODE, 0);
                append(&mut tar, &format!("{}/", folder.display()), header, &[])?;
            }
        }
        append_file(&mut tar, file)?;
    }
    Ok(tar.into_inner()?)
}

/// Adds `file` as what it is.
fn append_file(tar: &mut Builder<Vec<u8>>, file: &File) -> Result<()> {
    let header = |kind| header(kind, file.mode, 0);
    let header = match &file.content {
        Content::Bytes(bytes) => {
            let header = self::header(EntryType::Regular, file.mode, bytes.len());
            return append(tar, &file.path, header, bytes);
        }
        Content::Block(device) => with_device(header(EntryType::Block), *device)?,
        Content::Character(device) => with_device(header(EntryType::Char), *device)?,
        Content::Fifo => header(EntryType::Fifo),
        Content::Link(target) => {
            return Ok(tar.append_link(&mut header(EntryType::Symlink), &file.path, target)?);
        }
    };
    append(tar, &file.path, header, &[])
}

fn with_device(mut header: Header, device: Device) -> Result<Header> {
    header.set_device_major(device.major)?;
    header.set_device_minor(device.minor)?;
    Ok(header)
}

/// What a tar archive says of a file. It tells nothing of where and when the file was made.
pub(crate) fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Adds an entry.
pub(crate) fn append(tar: &mut Builder<impl Write>, path: &str, mut header: Header, content: &[u8]) -> Result<()> {
    tar.append_data(&mut header, path, content).with_context(|| format!("cannot put {path} into the archive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File::new(path, 0o444, *b"content")
    }

    #[test]
    fn folders_come_once_and_before_what_is_in_them() {
        let bytes = layer(&[file("a/b/one"), file("a/two"), file("three")]).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())
        });
        let expected = [("a/", 0o755), ("a/b/", 0o755), ("a/b/one", 0o444), ("a/two", 0o444), ("three", 0o444)]
            .map(|(p, m)| (p.to_owned(), m));
        assert_eq!(entries.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_path_out_of_the_image_is_refused() {
        for path in ["", "/etc/passwd", "../up", "a/../../up", "./here"] {
            let error = layer(&[file(path)]).unwrap_err().to_string();
            assert!(error.contains("expected a path relative to the image's root"), "{path}: {error}");
        }
    }

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
            let layer = layer(&[File::new("etc/a", 0o644, content)]).unwrap();
            let mut archive = tar::Archive::new(layer.as_slice());
            let entry = archive.entries().unwrap().nth(1).unwrap().unwrap();
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
