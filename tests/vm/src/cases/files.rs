//! Files of the image that are no ordinary files: none of them may stop anything, or lead out.

use std::fs;

use anyhow::{Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use test_hostile as hostile;

use crate::{node::Node, pod::Container};

/// Seen from outside the link leads to nothing, since no volume is mounted there: the program starts, and nothing waits for the pipe.
pub fn passwd_is_a_pipe(node: &Node) -> Result<()> {
    let (folder, name) = hostile::VOLUME_PASSWD.rsplit_once('/').expect("an absolute path");
    let volume = format!("/run/volume{}", node.number);
    fs::create_dir(&volume)?;
    mknodat(CWD, format!("{volume}/{name}"), FileType::Fifo, Mode::from_raw_mode(0o644), 0)?;
    let container = Container::of_program(hostile::PASSWD_LINK, &["/busybox", "true"]).with_mount(&volume, folder);
    let end = node.own_pod()?.run_to_end(container)?;
    ensure!(end.code == 0, "{end:?}");
    Ok(())
}

pub fn component_is_a_pipe(node: &Node) -> Result<()> {
    ends_and_says(
        node,
        hostile::COMPONENT_FIFO,
        "invalid file \"/component.wasm\" in the image: expected a regular file, found a named pipe",
    )
}

pub fn manifest_is_a_pipe(node: &Node) -> Result<()> {
    ends_and_says(
        node,
        hostile::MANIFEST_FIFO,
        "invalid file \"/spin.toml\" in the image: expected a regular file, found a named pipe",
    )
}

pub fn component_is_a_link(node: &Node) -> Result<()> {
    ends_and_says(node, hostile::COMPONENT_LINK, "`/component.wasm`, which is not in the image")
}

pub fn manifest_is_a_link(node: &Node) -> Result<()> {
    ends_and_says(node, hostile::MANIFEST_LINK, "the image has no /spin.toml")
}

/// The container ends in time, and its log says why.
fn ends_and_says(node: &Node, image: &str, expected: &str) -> Result<()> {
    let end = node.own_pod()?.run_to_end(Container::of_component(image, node.port()))?;
    ensure!(end.code == 1, "expected exit code 1: {end:?}");
    ensure!(end.log.contains(expected), "expected {expected:?} in the log: {end:?}");
    Ok(())
}
