//! The end of a cluster, whole or half started or crashed.

use std::{fs, io};

use anyhow::{Context, Result};

use crate::machine::Machine;
use crate::{cgroup, layout, network};

/// Ends and removes everything that any `up` has left; nothing happens if there is nothing.
pub fn everything() -> Result<()> {
    let names = match fs::read_dir(layout::path("pid")) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).context("cannot read the run folder"),
    };
    // All at once, then wait for each: what a machine's first process takes along is the rest.
    let machines: Vec<_> = names.iter().filter_map(|name| Machine::find(name.to_str()?)).collect();
    for machine in &machines {
        machine.init.signal(rustix::process::Signal::KILL);
    }
    for machine in &machines {
        machine.kill()?;
    }
    network::disconnect()?;
    cgroup::remove()?;
    match fs::remove_dir_all(layout::RUN) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", layout::RUN))
        }
        _ => Ok(()),
    }
}
