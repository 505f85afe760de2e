//! What a shim that was killed leaves behind: its containers' cgroups and state. containerd then calls the binary with `delete`.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use libcontainer::container::Container;

use crate::builder::container::state_root;

/// How often, and how many times, it is tried: the processes of a cgroup take their time to end.
const INTERVAL: Duration = Duration::from_millis(100);
const TRIES: u32 = 50;

/// Ends what still runs of the container `id` and removes what is left of it. Tells its first process, if there was one.
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
        // A container dies with its shim, but what hangs does not. Ends what is in the container's cgroup, and nothing else:
        // the number of its process may be another's by now.
        match container.delete(true) {
            Ok(()) => return Ok(pid),
            Err(error) if tries == TRIES => return Err(error).context("its processes do not end"),
            Err(_) => tries += 1,
        }
        sleep(INTERVAL);
    }
}
