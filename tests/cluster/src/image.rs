//! Container images for the tests, in an archive for containerd.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use oci_writer::archive;
use oci_writer::image::{self, Arch, Built};

pub use oci_writer::layer::{Content, Device, File};

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

    fn build(&self) -> Result<Built> {
        let image = image::Image {
            files: self.files.clone(),
            architectures: vec![if cfg!(target_arch = "aarch64") { Arch::ARM64 } else { Arch::Amd64 }],
            entrypoint: vec![self.entrypoint.clone()],
            command: Vec::new(),
            environment: Vec::new(),
            labels: BTreeMap::new(),
            created: None,
        };
        image.build()
    }
}

/// Writes `images` to `path`: an OCI image layout in a tar file.
///
/// # Errors
/// If an image has a path that leads out of it, or the archive cannot be written.
pub fn archive(images: &[Image], path: &Path) -> Result<()> {
    let built = images.iter().map(Image::build).collect::<Result<Vec<_>>>()?;
    let named: Vec<_> = images.iter().map(|image| image.name.as_str()).zip(&built).collect();
    archive::write(&named, path)
}
