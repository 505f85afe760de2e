//! Images that want more than their pod may have. Anyone who may create a pod may choose its image.

use std::fs;

use anyhow::{Result, ensure};
use test_cluster::image::Device;
use test_support::artifacts;

use crate::bed::Bed;
use crate::images::import_all;
use crate::pod::Pod;
use crate::wrong::says;

/// A disk of this machine, which every node is a part of. Whether it exists does not matter: to open it is to be refused.
const DISK: Device = Device { major: 254, minor: 0 };

/// Gives the nodes all of them.
pub fn import(bed: &Bed) -> Result<()> {
    let folder = tempfile::tempdir_in("target")?;
    let library = test_hostile::compile(folder.path())?;
    let busybox = artifacts::tool("busybox");
    let component = fs::read(artifacts::component())?;
    import_all(
        bed,
        &[
            test_hostile::names(&busybox, &library)?,
            test_hostile::application_names(&component, &library),
            test_hostile::devices(&busybox, DISK)?,
            test_hostile::component_fifo(),
            test_hostile::manifest_fifo(&component),
        ],
    )
}

/// A library that the C library would load, while it looks for the name of the container's user: in a pod that drops all rights it
/// once ran with all of the node's.
pub fn library(bed: &Bed) -> Result<String> {
    let pod = of_program("names", test_hostile::NAMES, &["/busybox", "id", "-u"]);
    let (end, log) = pod.until_ended(bed)?;
    let message = end["message"].as_str().unwrap_or_default();
    ensure!(!message.contains(test_hostile::MARK) && !log.contains(test_hostile::MARK), "{message}\n{log}");
    ensure!(end["exitCode"] == 0 && log.trim() == "65532", "{end}\n{log}");

    let pod = Pod::of_component("application-names", test_hostile::APPLICATION_NAMES);
    let log = pod.while_ready(bed, |_| bed.kubectl(&["logs", &pod.name]))?;
    ensure!(!log.contains(test_hostile::MARK), "{log}");
    ensure!(log.contains("serving"), "{log}");
    Ok("it runs neither for a program nor for the application".to_owned())
}

/// Devices in a layer, which everybody may open as far as their mode says.
pub fn devices(bed: &Bed) -> Result<String> {
    let look = "for it in disk mem kmsg; do /busybox head -c 1 /$it && echo; done; /busybox head -c 1 /dev/zero | /busybox wc -c";
    let (_, log) = of_program("devices", test_hostile::DEVICES, &["/busybox", "sh", "-c", look]).until_ended(bed)?;
    let lines: Vec<_> = log.lines().collect();
    let refused = |line: &&str| line.ends_with("Operation not permitted") || line.ends_with("Permission denied");
    ensure!(lines.len() == 4 && lines[..3].iter().all(refused) && lines[3].trim() == "1", "{log}");
    Ok(lines[..3].join("; "))
}

/// Pipes, which nobody writes to, where a file is expected: said, and in time.
pub fn pipes(bed: &Bed) -> Result<String> {
    let said = [
        (
            "component-pipe",
            test_hostile::COMPONENT_FIFO,
            "invalid file \"/component.wasm\" in the image: expected a regular file, found a named pipe",
        ),
        (
            "manifest-pipe",
            test_hostile::MANIFEST_FIFO,
            "invalid file \"/spin.toml\" in the image: expected a regular file, found a named pipe",
        ),
    ]
    .map(|(name, image, expected)| says(bed, &Pod::of_component(name, image), expected));
    Ok(said.into_iter().collect::<Result<Vec<_>>>()?.join("; "))
}

/// A program under the RuntimeClass of the component, with as few rights as a pod can have.
fn of_program(name: &str, image: &str, command: &[&str]) -> Pod {
    Pod::of_program(name, image, command).with("/spec/runtimeClassName", "wasmtime-spin".into())
}
