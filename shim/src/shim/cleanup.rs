//! Removes a container: its processes, control groups and state. The shim does so for containerd's `Delete`, and after a creation
//! that failed; containerd calls the binary with `delete` for what a killed shim leaves.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use libcontainer::container::Container;

use crate::cgroup::Groups;

/// How long the processes, and then the control groups, may take to end. containerd waits for 5 s.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long systemd needs to forget a scope that it has removed.
const INTERVAL: Duration = Duration::from_millis(200);

/// Kills the processes in `groups`, and removes these and the folder `state`. What is not there any more is no error. Returns the
/// number of the container's first process, if it had one.
///
/// # Errors
/// Processes do not end, or something cannot be removed.
pub fn remove(groups: &Groups, state: &Path) -> Result<Option<i32>> {
    groups.kill(TIMEOUT)?;
    let mut pid = None;
    // It cannot be read if the container was never finished.
    if let Ok(mut container) = Container::load(state.to_owned()) {
        // libcontainer looks for the process by its number, which may be that of another process by now.
        pid = container.state.pid.take();
        delete(&mut container).context("cannot remove what libcontainer made")?;
    }
    groups.remove(TIMEOUT)?;
    match fs::remove_dir_all(state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", state.display()))
        }
        _ => Ok(pid),
    }
}

/// systemd may remove the scope on its own between libcontainer's question whether there is one and its request to remove it. The
/// second time there is none.
fn delete(container: &mut Container) -> Result<()> {
    if container.delete(true).is_ok() {
        return Ok(());
    }
    sleep(INTERVAL);
    Ok(container.delete(true)?)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Spec;
    use serde_json::json;

    use super::*;

    fn groups() -> Groups {
        let spec = json!({"ociVersion": "1.1.0", "linux": {"cgroupsPath": "/no-such-group/c1"}});
        Groups::from_spec(&mut serde_json::from_value::<Spec>(spec).unwrap(), "c1").unwrap()
    }

    /// The number in the state is that of this process, which is none of the container's.
    #[test]
    fn a_container_whose_number_another_process_has_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("c1");
        fs::create_dir(&state).unwrap();
        let pid = std::process::id().cast_signed();
        let text = json!({"ociVersion": "1.1.0", "id": "c1", "status": "running", "pid": pid, "bundle": "/", "useSystemd": false});
        fs::write(state.join("state.json"), text.to_string()).unwrap();
        fs::write(state.join("youki_config.json"), json!({"cgroup_path": "/no-such-group/c1"}).to_string()).unwrap();
        assert_eq!(remove(&groups(), &state).unwrap(), Some(pid));
        assert!(!state.exists());
    }

    #[test]
    fn what_was_never_finished_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("c1");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("state.json"), "{").unwrap();
        assert_eq!(remove(&groups(), &state).unwrap(), None);
        assert!(!state.exists());
        assert_eq!(remove(&groups(), &state).unwrap(), None);
    }
}
