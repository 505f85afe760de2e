//! An image as one file: an OCI image layout in a tar archive.
//!
//! Source: OCI Image Format Specification 1.1, "Image Layout".

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use oci_spec::image::{ANNOTATION_REF_NAME, ImageIndexBuilder, MediaType, SCHEMA_VERSION};
use tar::{Builder, EntryType};

use crate::image::{Blob, Built};
use crate::layer::append;

/// The name under which `ctr images import` and the kubelet find the image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Writes the image to `path` in one step: nobody ever reads half an archive. `name` is what an import calls it.
///
/// # Errors
/// If the file cannot be written.
pub fn write(image: &Built, name: &str, path: &Path) -> Result<()> {
    let archive = archive(image, name)?;
    // A temporary file is made in a folder that has a name.
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| {
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
        file.write_all(&archive)?;
        Ok(file.persist(path)?)
    });
    written.map(drop).with_context(|| format!("cannot write {}", path.display()))
}

fn archive(image: &Built, name: &str) -> Result<Vec<u8>> {
    let annotations = [CONTAINERD_NAME, ANNOTATION_REF_NAME].map(|key| (key.to_owned(), name.to_owned()));
    let mut named = image.index.descriptor.clone();
    named.set_annotations(Some(annotations.into()));
    let index = ImageIndexBuilder::default().schema_version(SCHEMA_VERSION).manifests([named]).build()?;

    let mut tar = Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| append(&mut tar, path, EntryType::Regular, 0o644, content);
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json", &Blob::json(MediaType::ImageIndex, &index)?.bytes)?;
    for blob in image.all() {
        let digest = blob.descriptor.digest();
        add(&format!("blobs/{}/{}", digest.algorithm(), digest.digest()), &blob.bytes)?;
    }
    Ok(tar.into_inner()?)
}
