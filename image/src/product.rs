//! This repository's image: three files, which Spin's shim and ours serve alike.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use oci_spec::image::{
    ANNOTATION_DESCRIPTION, ANNOTATION_LICENSES, ANNOTATION_REVISION, ANNOTATION_SOURCE, ANNOTATION_TITLE,
    ANNOTATION_VERSION, Arch,
};
use oci_writer::image::Image;
use oci_writer::layer::File;

use crate::revision::{git, revision};

/// The files of the image, relative to the repository as to the image's root: `spin.toml` names the component by its path.
pub const FILES: [&str; 3] = ["runtime-config.toml", "spin.toml", "target/wasm32-wasip2/release/httpserver.wasm"];

/// Readable by the user that a pod runs as, whoever that is; writable by nobody.
const MODE: u32 = 0o444;

/// Digits of a commit in the label: all of them.
const DIGITS: usize = 40;

/// A component has no entrypoint: the shims want any, and Spin's documentation this one.
const COMMAND: &str = "/";

/// What an image has that `spin.toml` has not: with its `runtime-config.toml` the key-value store is in memory, so that counting the
/// responses costs little.
const ENVIRONMENT: &str = "SPIN_VARIABLE_METRICS=on";

/// What is told about the image, but is not in its files.
#[derive(Default)]
pub struct Provenance {
    /// The version: what the image's tag says.
    pub version: String,
    /// The address of the sources, if they have one.
    pub source: Option<String>,
    /// The commit, and whether what the image is made of was changed since; none outside a git checkout.
    pub revision: Option<String>,
    /// When that commit was made (RFC 3339).
    pub created: Option<String>,
}

impl Provenance {
    /// What git knows about the checkout in `root`. `source` is used where the checkout came from no public address.
    pub fn of_checkout(root: &Path, version: String, source: Option<String>) -> Self {
        let origin = git(root, &["remote", "get-url", "origin"]).filter(|url| url.starts_with("https://"));
        Self {
            version,
            source: source.or(origin),
            revision: revision(root, DIGITS),
            created: git(root, &["show", "--no-patch", "--format=%cI"]),
        }
    }
}

/// The image made of the built repository in `root`, for both architectures that shims exist for.
///
/// # Errors
/// If one of [`FILES`] cannot be read.
pub fn image(root: &Path, provenance: Provenance) -> Result<Image> {
    let files = FILES.map(|path| {
        let content = fs::read(root.join(path))
            .with_context(|| format!("cannot read {path} in {}; `cargo xtask build` makes it", root.display()))?;
        Ok(File::new(path, MODE, content))
    });
    let labels = [
        (ANNOTATION_TITLE, Some("httpserver".to_owned())),
        (ANNOTATION_DESCRIPTION, Some("An HTTP server that is a WebAssembly component".to_owned())),
        (ANNOTATION_LICENSES, Some(env!("CARGO_PKG_LICENSE").to_owned())),
        (ANNOTATION_VERSION, Some(provenance.version)),
        (ANNOTATION_SOURCE, provenance.source),
        (ANNOTATION_REVISION, provenance.revision),
    ];
    Ok(Image {
        files: files.into_iter().collect::<Result<_>>()?,
        architectures: vec![Arch::Amd64, Arch::ARM64],
        entrypoint: Vec::new(),
        command: vec![COMMAND.to_owned()],
        environment: vec![ENVIRONMENT.to_owned()],
        labels: labels
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect::<BTreeMap<_, _>>(),
        created: provenance.created,
    })
}
