//! What confines a process beside its rights: its AppArmor profile.

use std::fs;

use anyhow::{Result, ensure};

use super::application::healthy;
use crate::{
    images::{APPLICATION, BUSYBOX},
    node::Node,
    pod::Container,
};

/// The profile that containerd makes, of a container that asks for the default one, in force.
const PROFILE: &str = "cri-containerd.apparmor.d (enforce)\n";

pub fn of_a_program(node: &Node) -> Result<()> {
    let end = node.pod()?.run_to_end(Container::of_script(BUSYBOX, "cat /proc/self/attr/current"))?;
    ensure!(end.log == PROFILE, "{end:?}");
    Ok(())
}

pub fn of_an_application(node: &Node) -> Result<()> {
    let container = node.pod()?.run(Container::of_component(APPLICATION, node.port()))?;
    healthy(node)?;
    // Of each thread: a profile is a thread's.
    for thread in fs::read_dir(format!("/proc/{}/task", container.pid()?))? {
        let path = thread?.path().join("attr/current");
        let profile = fs::read_to_string(&path)?;
        ensure!(profile == PROFILE, "{} is {profile:?}", path.display());
    }
    Ok(())
}
