//! The images that the tests need in addition to the one under test.

use anyhow::{Context, Result};
use test_cluster::image::{self, File, Image};
use test_support::{App, artifacts};

use crate::testbed::Testbed;

/// The misbehaving component of `tests/guest`.
pub const GUEST: &str = "localhost/guest:e2e";

/// The Go server with which the component is compared, `bench/baseline`.
pub const BASELINE: &str = "localhost/baseline:e2e";

/// Ordinary Linux programs.
pub const BUSYBOX: &str = "localhost/busybox:e2e";

/// Imports these three images.
pub fn import(testbed: &Testbed) -> Result<()> {
    let component = std::fs::read(artifacts::guest()).context("the misbehaving component can be read")?;
    import_all(
        testbed,
        &[
            application(GUEST, &[("spin.toml", App::PLAIN_MANIFEST.into()), ("component.wasm", component)]),
            Image::from_program(BASELINE, &artifacts::tool("baseline"))?,
            Image::from_program(BUSYBOX, &artifacts::tool("busybox"))?,
        ],
    )
}

/// Imports images on all nodes.
pub fn import_all(testbed: &Testbed, images: &[Image]) -> Result<()> {
    let archive = tempfile::NamedTempFile::new_in("target")?;
    image::archive(images, archive.path())?;
    testbed.cluster.import_image(archive.path())
}

/// An image of these files, as `cargo xtask image` makes it.
pub fn application(name: &str, files: &[(&str, Vec<u8>)]) -> Image {
    let file = |(path, content): &(&str, Vec<u8>)| File::new(path, 0o444, content.clone());
    Image { name: name.to_owned(), files: files.iter().map(file).collect(), entrypoint: "/".to_owned() }
}
