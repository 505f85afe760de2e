//! The one layer of an image: a tar archive whose bytes depend on the files alone.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path};

use anyhow::{Context, Result, ensure};
use tar::{Builder, EntryType, Header};

/// What folders need so that every user can reach the files in them.
const FOLDER_MODE: u32 = 0o755;

/// A file of an image.
pub struct File {
    /// Where it is, relative to the image's root.
    pub path: String,
    /// Permission bits. Everything belongs to root.
    pub mode: u32,
    /// What is in it.
    pub content: Vec<u8>,
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
                append(&mut tar, &format!("{}/", folder.display()), EntryType::Directory, FOLDER_MODE, &[])?;
            }
        }
        append(&mut tar, &file.path, EntryType::Regular, file.mode, &file.content)?;
    }
    Ok(tar.into_inner()?)
}

/// Adds an entry that tells nothing of where and when it was made.
pub(crate) fn append(
    tar: &mut Builder<impl Write>,
    path: &str,
    kind: EntryType,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, path, content).with_context(|| format!("cannot put {path} into the archive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File { path: path.into(), mode: 0o444, content: b"content".into() }
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
}
