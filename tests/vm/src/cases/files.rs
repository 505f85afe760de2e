//! Files of the image that are no ordinary files: none of them may stop anything, or lead out.

use std::fs;

use anyhow::{Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use test_hostile as hostile;

use crate::{node::Node, pod::Container};

/// A program needs no `/etc/passwd`: it starts, or the pod says what is wrong.
pub fn passwd_is_a_pipe(node: &Node) -> Result<()> {
    let (folder, name) = hostile::VOLUME_PASSWD.rsplit_once('/').expect("an absolute path");
    let volume = format!("/run/volume{}", node.number);
    fs::create_dir(&volume)?;
    mknodat(CWD, format!("{volume}/{name}"), FileType::Fifo, Mode::from_raw_mode(0o644), 0)?;
    let container = Container::of_program(hostile::PASSWD_LINK, &["/busybox", "true"]).with_mount(&volume, folder);
    match node.own_pod()?.run_to_end(container) {
        Ok(end) => ensure!(end.code == 0, "{end:?}"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains("passwd"), "expected an error that names /etc/passwd: {said}");
        }
    }
    Ok(())
}

pub fn component_is_a_pipe(node: &Node) -> Result<()> {
    ends_and_says(node, hostile::COMPONENT_FIFO, "/component.wasm")
}

pub fn manifest_is_a_pipe(node: &Node) -> Result<()> {
    ends_and_says(node, hostile::MANIFEST_FIFO, "/spin.toml")
}

pub fn component_is_a_link(node: &Node) -> Result<()> {
    ends_and_says(node, hostile::COMPONENT_LINK, "/component.wasm")
}

pub fn manifest_is_a_link(node: &Node) -> Result<()> {
    ends_and_says(node, hostile::MANIFEST_LINK, "/spin.toml")
}

/// The container ends in time, and its log names the file.
fn ends_and_says(node: &Node, image: &str, file: &str) -> Result<()> {
    let end = node.own_pod()?.run_to_end(Container::of_component(image, node.port()))?;
    ensure!(end.code == 1, "expected exit code 1: {end:?}");
    ensure!(end.log.contains(file), "expected a log that names {file}: {end:?}");
    Ok(())
}
