//! The images of the cases. They are made in this machine, because one of them names its disk by the kernel's numbers.

use std::{fs, os::linux::fs::MetadataExt, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use test_cluster::image::{self, Device, Image};
use test_hostile as hostile;

/// The folder with the files of this run.
pub const SHARE: &str = "/usr/local/share";

/// The application, unchanged.
pub const APPLICATION: &str = "localhost/application:1";

/// The application in the image that `cargo xtask vm` lets `cargo xtask image` make.
pub const HTTPSERVER: &str = "localhost/httpserver:vm";

/// What keeps a pod's namespaces open, by the name that containerd's configuration has.
const PAUSE: &str = "localhost/pause:1";

/// Ordinary programs.
pub const BUSYBOX: &str = "localhost/busybox:1";

/// The disk that `/` is on, as the kernel numbers it.
pub fn disk() -> Result<Device> {
    let device = fs::metadata("/")?.st_dev();
    Ok(Device { major: rustix::fs::major(device), minor: rustix::fs::minor(device) })
}

/// The archive with the images that are made here.
const ARCHIVE: &str = "/var/tmp/images.tar";

/// The archive with the application's image.
const HTTPSERVER_ARCHIVE: &str = "httpserver.tar";

/// Makes the images, if they were not made before, and gives all of them to the containerd at `socket`.
pub fn import(socket: &str) -> Result<()> {
    let archive = Path::new(ARCHIVE);
    if !archive.exists() {
        image::archive(&all()?, archive)?;
    }
    for archive in [archive, &Path::new(SHARE).join(HTTPSERVER_ARCHIVE)] {
        let mut ctr = Command::new("ctr");
        ctr.args(["--address", socket, "--namespace", "k8s.io", "images", "import"]);
        let output = ctr.arg(archive).output()?;
        ensure!(output.status.success(), "`ctr images import`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn all() -> Result<Vec<Image>> {
    let busybox = &Path::new(SHARE).join("busybox");
    let read = |name: &str| fs::read(Path::new(SHARE).join(name)).with_context(|| format!("no {name} in {SHARE}"));
    let (component, library) = (read("component.wasm")?, read("libnss_evil.so.2")?);
    Ok(vec![
        Image::from_program(PAUSE, &Path::new(SHARE).join("pause"))?,
        Image::from_program(BUSYBOX, busybox)?,
        hostile::application(APPLICATION, hostile::MANIFEST.as_bytes().to_vec(), component.clone()),
        hostile::devices(busybox, disk()?)?,
        hostile::names(busybox, &library)?,
        hostile::passwd_link(busybox)?,
        hostile::application_names(&component, &library),
        hostile::component_fifo(),
        hostile::manifest_fifo(&component),
        hostile::component_link(&format!("{SHARE}/component.wasm")),
        hostile::manifest_link(&format!("{SHARE}/spin.toml"), &component),
        hostile::slow(),
    ])
}
