//! What a shim that was killed leaves behind: its containers' cgroups and state. containerd then calls the binary with `delete`.

use std::env;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use containerd_shimkit::sandbox::InstanceConfig;
use libcontainer::container::Container;

use crate::NAME;

/// How often, and how many times, a container is looked at whose process is on its way out: it dies with its shim.
const INTERVAL: Duration = Duration::from_millis(50);
const TRIES: u32 = 40;

/// Removes what is left of the container that the arguments name, if they ask for that.
pub fn remove(arguments: &[String]) {
    let Ok(flags) = containerd_shim::parse(arguments) else {
        // The shim itself says what is wrong with them.
        return;
    };
    if flags.action != "delete" {
        return;
    }
    let bundle = env::current_dir().unwrap_or_default();
    let config = InstanceConfig { bundle, namespace: flags.namespace, ..InstanceConfig::default() };
    let removed =
        config.determine_rootdir(NAME).map_err(Into::into).and_then(|root| remove_state(root.join(&flags.id)));
    if let Err(error) = removed {
        eprintln!("cannot remove what is left of the container {}: {error:#}", flags.id);
    }
}

fn remove_state(state: PathBuf) -> Result<()> {
    if !state.exists() {
        return Ok(());
    }
    let mut container = Container::load(state)?;
    for _ in 0..TRIES {
        container.refresh_status()?;
        if container.status().can_delete() {
            break;
        }
        sleep(INTERVAL);
    }
    // Not by force: the number of its process may be another's by now.
    ensure!(container.status().can_delete(), "its process still runs");
    Ok(container.delete(false)?)
}
