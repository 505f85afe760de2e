//! An image as one file: an OCI image layout in a tar archive.
//!
//! Source: OCI Image Format Specification 1.1, "Image Layout".

use std::fs::{self, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use oci_spec::image::{ANNOTATION_REF_NAME, ImageIndexBuilder, MediaType, SCHEMA_VERSION};
use tar::{Builder, EntryType};

use crate::image::{Blob, Built};
use crate::layer::{append, header};

/// The name under which `ctr images import` and the kubelet find the image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Writes images to `path` in one step, so that a reader never sees a part of an archive. Each comes with the name that it has
/// after an import.
///
/// # Errors
/// If the file cannot be written.
pub fn write(images: &[(&str, &Built)], path: &Path) -> Result<()> {
    // A temporary file is made in a folder that has a name.
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let written = || -> Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
        append_all(images, BufWriter::new(&mut file))?;
        file.persist(path)?;
        Ok(())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

fn append_all(images: &[(&str, &Built)], file: impl Write) -> Result<()> {
    let named = images.iter().map(|(name, image)| {
        let annotations = [CONTAINERD_NAME, ANNOTATION_REF_NAME].map(|key| (key.to_owned(), (*name).to_owned()));
        let mut named = image.index.descriptor.clone();
        named.set_annotations(Some(annotations.into()));
        named
    });
    let index = ImageIndexBuilder::default().schema_version(SCHEMA_VERSION).manifests(named.collect::<Vec<_>>());

    let mut tar = Builder::new(file);
    let mut add = |path: &str, content: &[u8]| {
        let header = header(EntryType::Regular, 0o644, content.len());
        append(&mut tar, path, header, content)
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json", &Blob::json(MediaType::ImageIndex, &index.build()?)?.bytes)?;
    for blob in images.iter().flat_map(|(_, image)| image.all()) {
        let digest = blob.descriptor.digest();
        add(&format!("blobs/{}/{}", digest.algorithm(), digest.digest()), &blob.bytes)?;
    }
    Ok(tar.into_inner()?.flush()?)
}
