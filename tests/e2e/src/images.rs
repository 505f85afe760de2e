//! Images beside the one under test.

use anyhow::{Context, Result};
use test_cluster::image::{self, File, Image};
use test_support::{App, artifacts};

use crate::testbed::Testbed;

/// The component that misbehaves on request, `tests/guest`.
pub const GUEST: &str = "localhost/guest:e2e";

/// The Go server that the component is measured beside, `bench/baseline`.
pub const BASELINE: &str = "localhost/baseline:e2e";

/// Ordinary programs, for what only a Linux container can do.
pub const BUSYBOX: &str = "localhost/busybox:e2e";

/// Gives the nodes the three above.
pub fn import(testbed: &Testbed) -> Result<()> {
    let component = std::fs::read(artifacts::guest()).context("the misbehaving component can be read")?;
    import_all(
        testbed,
        &[
            of_application(GUEST, &[("spin.toml", App::PLAIN_MANIFEST.into()), ("component.wasm", component)]),
            Image::of_program(BASELINE, &artifacts::tool("baseline"))?,
            Image::of_program(BUSYBOX, &artifacts::tool("busybox"))?,
        ],
    )
}

/// Gives the nodes these images.
pub fn import_all(testbed: &Testbed, images: &[Image]) -> Result<()> {
    let archive = tempfile::NamedTempFile::new_in("target")?;
    image::archive(images, archive.path())?;
    testbed.cluster.import_image(archive.path())
}

/// An image as `cargo xtask image` makes it, of these files.
pub fn of_application(name: &str, files: &[(&str, Vec<u8>)]) -> Image {
    let file = |(path, content): &(&str, Vec<u8>)| File::new(path, 0o444, content.clone());
    Image { name: name.to_owned(), files: files.iter().map(file).collect(), entrypoint: "/".to_owned() }
}
