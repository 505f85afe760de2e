//! Images that do harm where a runtime trusts what is in them: the same for the tests on the cluster and in the virtual
//! machine.
//!
//! Anyone may make a layer, and a layer may hold any kind of file. Each recipe here is one such image, FROM scratch. Linux
//! programs come from busybox, which is `/busybox`.

mod evil;
mod slow;

use std::path::Path;

use anyhow::Result;
use test_cluster::image::{Content, Device, File, Image};

pub use evil::{MARK, compile};

/// busybox and devices of the node that everybody may open: `/disk`, `/mem`, `/kmsg` and `/fuse`.
pub const DEVICES: &str = "localhost/hostile-devices:1";

/// busybox and a library that glibc loads when it looks for the name of a user.
pub const NAMES: &str = "localhost/hostile-names:1";

/// busybox, and `/etc/passwd` is a link to [`VOLUME_PASSWD`], where a volume may have a pipe.
pub const PASSWD_LINK: &str = "localhost/hostile-passwd-link:1";

/// A file of a volume, seen from the container: it is not there yet when containerd itself reads the image's `/etc/passwd`,
/// which would wait for ever for what writes into a pipe.
pub const VOLUME_PASSWD: &str = "/volume/passwd";

/// An application with the library of [`NAMES`].
pub const APPLICATION_NAMES: &str = "localhost/hostile-application-names:1";

/// An application whose component is a pipe.
pub const COMPONENT_FIFO: &str = "localhost/hostile-component-fifo:1";

/// An application whose `/spin.toml` is a pipe.
pub const MANIFEST_FIFO: &str = "localhost/hostile-manifest-fifo:1";

/// An application whose component is a link out of the image, to a file of the node.
pub const COMPONENT_LINK: &str = "localhost/hostile-component-link:1";

/// An application whose `/spin.toml` is a link out of the image, to a file of the node.
pub const MANIFEST_LINK: &str = "localhost/hostile-manifest-link:1";

/// An application whose small component takes a compiler minutes.
pub const SLOW: &str = "localhost/hostile-slow:1";

/// The manifest of each application here: the component is `/component.wasm`.
pub const MANIFEST: &str = r#"
spin_manifest_version = 2
[application]
name = "hostile"
version = "0.1.0"
[[trigger.http]]
route = "/..."
component = "hostile"
[component.hostile]
source = "component.wasm"
"#;

/// `/dev/mem` (Documentation/admin-guide/devices.txt of the kernel, as for all numbers here).
const MEM: Device = Device { major: 1, minor: 1 };

/// `/dev/kmsg`
const KMSG: Device = Device { major: 1, minor: 11 };

/// `/dev/fuse`: the kernel itself asks for no capability, as it does for the two above.
const FUSE: Device = Device { major: 10, minor: 229 };

/// How a link gets out of a folder that is not the root: more steps up than any folder is deep.
const UP: &str = "../../../../../../../../../../../..";

/// [`DEVICES`]; `disk` is a disk of the node.
///
/// # Errors
/// If busybox cannot be read, as for all recipes with it.
pub fn devices(busybox: &Path, disk: Device) -> Result<Image> {
    let nodes = [
        ("disk", Content::Block(disk)),
        ("mem", Content::Character(MEM)),
        ("kmsg", Content::Character(KMSG)),
        ("fuse", Content::Character(FUSE)),
    ];
    with_busybox(DEVICES, busybox, nodes.map(|(path, content)| File::new(path, 0o666, content)))
}

/// [`NAMES`]; `library` is what [`compile`] made.
///
/// # Errors
/// If busybox cannot be read.
pub fn names(busybox: &Path, library: &[u8]) -> Result<Image> {
    with_busybox(NAMES, busybox, evil::files(library))
}

/// [`PASSWD_LINK`].
///
/// # Errors
/// If busybox cannot be read.
pub fn passwd_link(busybox: &Path) -> Result<Image> {
    let link = Content::Link(VOLUME_PASSWD.to_owned());
    with_busybox(PASSWD_LINK, busybox, [File::new("etc/passwd", 0o777, link)])
}

/// [`APPLICATION_NAMES`]: `component` serves, and `library` is what [`compile`] made.
pub fn application_names(component: &[u8], library: &[u8]) -> Image {
    let mut image = application(APPLICATION_NAMES, MANIFEST.as_bytes().to_vec(), component.to_vec());
    image.files.extend(evil::files(library));
    image
}

/// [`COMPONENT_FIFO`].
pub fn component_fifo() -> Image {
    application(COMPONENT_FIFO, MANIFEST.as_bytes().to_vec(), Content::Fifo)
}

/// [`MANIFEST_FIFO`].
pub fn manifest_fifo(component: &[u8]) -> Image {
    application(MANIFEST_FIFO, Content::Fifo, component.to_vec())
}

/// [`COMPONENT_LINK`]; `target` is the absolute path of a component on the node, which would serve if it were reached.
pub fn component_link(target: &str) -> Image {
    application(COMPONENT_LINK, MANIFEST.as_bytes().to_vec(), Content::Link(format!("{UP}{target}")))
}

/// [`MANIFEST_LINK`]; `target` is the absolute path of a copy of [`MANIFEST`] on the node.
pub fn manifest_link(target: &str, component: &[u8]) -> Image {
    application(MANIFEST_LINK, Content::Link(format!("{UP}{target}")), component.to_vec())
}

/// [`SLOW`].
pub fn slow() -> Image {
    application(SLOW, MANIFEST.as_bytes().to_vec(), slow::component())
}

/// An application. Its entry point `/` cannot be a Linux program.
pub fn application(name: &str, manifest: impl Into<Content>, component: impl Into<Content>) -> Image {
    Image {
        name: name.to_owned(),
        files: vec![File::new("spin.toml", 0o444, manifest), File::new("component.wasm", 0o444, component)],
        entrypoint: "/".to_owned(),
    }
}

fn with_busybox(name: &str, busybox: &Path, more: impl IntoIterator<Item = File>) -> Result<Image> {
    let mut image = Image::from_program(name, busybox)?;
    image.files.extend(more);
    Ok(image)
}
