//! A control group beside those of a pod's containers: what runs in it takes from what the pod may have.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::cgroup::Groups;

/// The hierarchies of version 1 that limit what a compiler takes.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// A group, which is removed when this is dropped: then no process may be in it any more.
pub struct PodGroup(Vec<PathBuf>);

impl PodGroup {
    /// Moves the process `pid` into a new group beside `groups`, which are a container's.
    ///
    /// # Errors
    /// The group cannot be made.
    pub fn join(groups: &Groups, pid: i32) -> Result<Self> {
        let folders = groups.beside(&format!("httpserver-compiler-{pid}"), &CONTROLLERS);
        ensure!(!folders.is_empty(), "this machine has no control groups for {}", CONTROLLERS.join(", "));
        let mut group = Self(Vec::new());
        for folder in folders {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
            group.0.push(folder.clone());
            fs::write(folder.join("cgroup.procs"), pid.to_string())
                .with_context(|| format!("cannot move a process to `{}`", folder.display()))?;
        }
        Ok(group)
    }
}

impl Drop for PodGroup {
    fn drop(&mut self) {
        for folder in &self.0 {
            if let Err(error) = fs::remove_dir(folder) {
                log::warn!("cannot remove `{}`: {error}", folder.display());
            }
        }
    }
}
