//! Removes what a killed shim leaves: the cgroups and the state of its containers. containerd calls the binary with `delete` then.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use libcontainer::container::Container;

use crate::builder::container::state_root;

/// The interval and the number of tries: the processes of a cgroup need some time to end.
const INTERVAL: Duration = Duration::from_millis(100);
const TRIES: u32 = 50;

/// Kills the processes of the container `id` that still run, and removes its cgroup and state. Returns its first process, if it
/// had one.
///
/// # Errors
/// Its state cannot be read, or its processes do not end.
pub fn remove(namespace: &str, id: &str) -> Result<Option<i32>> {
    let state = state_root(namespace).join(id);
    if !state.exists() {
        return Ok(None);
    }
    let mut container = Container::load(state)?;
    let pid = container.pid().map(|pid| pid.as_raw());
    let mut tries = 0;
    loop {
        // A container's process ends with its shim, but others may hang. This kills the processes in the container's cgroup, and
        // no other: the number of its first process may belong to another one by now.
        match container.delete(true) {
            Ok(()) => return Ok(pid),
            Err(error) if tries == TRIES => return Err(error).context("its processes do not end"),
            Err(_) => tries += 1,
        }
        sleep(INTERVAL);
    }
}
