//! Which devices a container reaches. With version 2 of control groups a program in the kernel decides, and who loads none has
//! allowed everything.

use std::{collections::BTreeSet, ffi::OsString, fs, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use test_hostile as hostile;

use super::{folder, idle};
use crate::{
    images::{BUSYBOX, disk},
    node::Node,
    pod::{Container, End},
};

/// Reads a block of the disk at `FILE`; prints how many bytes it got.
const READ: &str = "head -c 512 FILE | wc -c";

pub fn made_by_root(node: &Node) -> Result<()> {
    let disk = disk()?;
    // In /dev too: it is another file system than the root, with other options.
    let script = ["/disk-of-root", "/dev/disk-of-root"]
        .map(|file| format!("mknod {file} b {} {} && {}\n", disk.major, disk.minor, READ.replace("FILE", file)));
    let container = Container::of_script(BUSYBOX, &script.concat()).by_root(&[]).with_writable_root();
    let end = node.pod()?.run_to_end(container)?;
    refused(&end)?;
    ensure!(!end.log.contains("512"), "the disk was read: {end:?}");
    Ok(())
}

pub fn disk_of_the_image(node: &Node) -> Result<()> {
    let script = READ.replace("FILE", "/disk");
    let end = node.pod()?.run_to_end(Container::of_script(hostile::DEVICES, &script))?;
    refused(&end)?;
    ensure!(!end.log.contains("512"), "the disk was read: {end:?}");
    Ok(())
}

/// With the capabilities that the kernel asks for where these devices are allowed, so that nothing else refuses them.
pub fn others_of_the_image(node: &Node) -> Result<()> {
    let script = "for file in /mem /kmsg /fuse; do true < $file && echo opened $file; done; true";
    let container = Container::of_script(hostile::DEVICES, script).by_root(&["SYS_RAWIO", "SYSLOG"]);
    let end = node.pod()?.run_to_end(container)?;
    refused(&end)?;
    ensure!(!end.log.contains("opened"), "{end:?}");
    Ok(())
}

/// The devices of the OCI runtime specification, "Default Devices".
pub fn of_every_container(node: &Node) -> Result<()> {
    let script = "\
        set -e
        for file in null zero full random urandom ptmx; do true < /dev/$file; done
        echo text > /dev/null
        test $(head -c 4 /dev/zero | wc -c) = 4
        test $(head -c 4 /dev/urandom | wc -c) = 4
        ! echo text > /dev/full
        true < /dev/tty || echo no terminal";
    let end = node.pod()?.run_to_end(Container::of_script(BUSYBOX, script))?;
    ensure!(end.code == 0, "{end:?}");
    // Of a process without a terminal: that it may be opened, and is not there.
    ensure!(end.log.contains("/dev/tty: No such device or address"), "{end:?}");
    Ok(())
}

pub fn asked_for(node: &Node) -> Result<()> {
    let disk = disk()?;
    let path = "/dev/of-the-pod";
    let script = format!("{}; true > {path} && echo opened to write; true", READ.replace("FILE", path));
    let container = Container::of_script(BUSYBOX, &script).by_root(&[]);
    let host_path = format!("/dev/block/{}:{}", disk.major, disk.minor);
    let end = node.pod()?.run_to_end(container.with_device(host_path, path))?;
    ensure!(end.log.lines().any(|line| line == "512"), "expected 512 bytes to be read: {end:?}");
    refused(&end)?;
    ensure!(!end.log.contains("opened to write"), "{end:?}");
    Ok(())
}

pub fn program_of_the_kernel(node: &Node) -> Result<()> {
    let container = node.pod()?.run(idle())?;
    program_of(&container.cgroup()?).map(drop)
}

/// A program that stands alone at a control group, as another one's might, allows none below it: the container must not start.
pub fn without_a_program(node: &Node) -> Result<()> {
    let pod = node.own_pod()?;
    let program = program_of(&pod.run(idle())?.cgroup()?)?;
    bpftool(&[
        "cgroup",
        "attach",
        &folder(&pod.cgroup()).display().to_string(),
        "cgroup_device",
        "id",
        &program.to_string(),
    ])?;
    let before = groups(&pod.cgroup())?;
    let error = pod.run(idle()).err().context("the container started")?;
    let said = format!("{error:#}");
    ensure!(said.contains("cannot attach the program for devices"), "{said}");
    let after = groups(&pod.cgroup())?;
    ensure!(after == before, "control groups before: {before:?}, after: {after:?}");
    Ok(())
}

/// The kernel's number of the program for devices at a control group.
pub fn program_of(cgroup: &str) -> Result<u64> {
    let said = bpftool(&["--json", "cgroup", "show", &folder(cgroup).display().to_string()])?;
    // It is empty where there is no program.
    let programs: Vec<Value> = if said.trim().is_empty() { Vec::new() } else { serde_json::from_str(&said)? };
    let is_for_devices = |program: &&Value| program["attach_type"].as_str().is_some_and(|kind| kind.contains("device"));
    let id = programs.iter().find(is_for_devices).and_then(|program| program["id"].as_u64());
    id.with_context(|| format!("no program of the type `device` on {cgroup}: {said:?}"))
}

/// What Debian's bpftool prints, which asks the kernel.
fn bpftool(arguments: &[&str]) -> Result<String> {
    let output = Command::new("bpftool").args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "bpftool: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// The control groups directly below one.
fn groups(cgroup: &str) -> Result<BTreeSet<OsString>> {
    let entries = fs::read_dir(folder(cgroup))?.map(|entry| {
        let entry = entry?;
        Ok(entry.file_type()?.is_dir().then(|| entry.file_name()))
    });
    entries.filter_map(Result::transpose).collect()
}

/// The kernel's word for it: EPERM from the program, EACCES from a mount with `nodev`.
fn refused(end: &End) -> Result<()> {
    let said = ["Operation not permitted", "Permission denied"].iter().any(|word| end.log.contains(word));
    said.then_some(()).with_context(|| format!("expected that the kernel refuses it: {end:?}"))
}
