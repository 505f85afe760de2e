//! Images that try to get more than their pod may have. A user who may create a pod may choose any image.

use std::fs;

use anyhow::{Result, ensure};
use test_cluster::image::Device;
use test_support::artifacts;

use crate::images::import_all;
use crate::pod::Pod;
use crate::startup_errors::fails_with;
use crate::testbed::Testbed;

/// A disk of this machine, of which every node is a part. It need not exist: opening it must be refused first.
const DISK: Device = Device { major: 254, minor: 0 };

/// Imports all of these images.
pub fn import(testbed: &Testbed) -> Result<()> {
    let folder = tempfile::tempdir_in("target")?;
    let library = test_hostile::compile("gcc", folder.path())?;
    let busybox = artifacts::tool("busybox");
    let component = fs::read(artifacts::component())?;
    import_all(
        testbed,
        &[
            test_hostile::names(&busybox, &library)?,
            test_hostile::application_names(&component, &library),
            test_hostile::devices(&busybox, DISK)?,
            test_hostile::component_fifo(),
            test_hostile::manifest_fifo(&component),
        ],
    )
}

/// A library that the C library would load while it looks for the name of the container's user. It once ran with all rights of the
/// node, in a pod that drops all of its own.
pub fn library(testbed: &Testbed) -> Result<String> {
    let pod = program_pod("names", test_hostile::NAMES, &["/busybox", "id", "-u"]);
    let (end, log) = pod.until_ended(testbed)?;
    let message = end["message"].as_str().unwrap_or_default();
    ensure!(!message.contains(test_hostile::MARK) && !log.contains(test_hostile::MARK), "{message}\n{log}");
    ensure!(end["exitCode"] == 0 && log.trim() == "65532", "{end}\n{log}");

    let pod = Pod::for_component("application-names", test_hostile::APPLICATION_NAMES);
    let log = pod.while_ready(testbed, |_| testbed.kubectl(&["logs", &pod.name]))?;
    ensure!(!log.contains(test_hostile::MARK), "{log}");
    ensure!(log.contains("serving"), "{log}");
    Ok("the library runs neither for a program nor for the application".to_owned())
}

/// Devices in a layer of the image, whose mode lets every user open them.
pub fn devices(testbed: &Testbed) -> Result<String> {
    // One stream: the lines of two may come in another order.
    let script = "exec 2>&1; for it in disk mem kmsg; do /busybox head -c 1 /$it && echo; done; /busybox head -c 1 /dev/zero | /busybox wc -c";
    let (_, log) =
        program_pod("devices", test_hostile::DEVICES, &["/busybox", "sh", "-c", script]).until_ended(testbed)?;
    let lines: Vec<_> = log.lines().collect();
    let refused = |line: &&str| line.ends_with("Operation not permitted") || line.ends_with("Permission denied");
    ensure!(lines.len() == 4 && lines[..3].iter().all(refused) && lines[3].trim() == "1", "{log}");
    Ok(lines[..3].join("; "))
}

/// Named pipes in the place of files. Nothing writes to them, so a process that reads one waits for ever.
pub fn pipes(testbed: &Testbed) -> Result<String> {
    let messages = [
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
    .map(|(name, image, expected)| fails_with(testbed, &Pod::for_component(name, image), expected));
    Ok(messages.into_iter().collect::<Result<Vec<_>>>()?.join("; "))
}

/// A Linux program under the RuntimeClass of the component, with as few rights as a pod can have.
fn program_pod(name: &str, image: &str, command: &[&str]) -> Pod {
    Pod::for_program(name, image, command).with("/spec/runtimeClassName", "wasmtime-spin".into())
}
