//! The control groups of a container.

mod groups;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use groups::{Driver, Groups};

/// Where control groups are mounted (cgroups(7)).
const MOUNT: &str = "/sys/fs/cgroup";

/// Where those of version 2 are mounted on a machine that has both versions.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// The control groups of a process.
pub struct Membership(String);

impl Membership {
    /// The groups of the process `pid`.
    ///
    /// # Errors
    /// There is no such process.
    pub fn for_process(pid: i32) -> Result<Self> {
        let path = format!("/proc/{pid}/cgroup");
        fs::read_to_string(&path).map(Self).with_context(|| format!("cannot read {path}"))
    }

    /// The folder of the process's group in the hierarchy of version 1 that has `controller`.
    pub fn version_1(&self, controller: &str) -> Option<PathBuf> {
        let path = self.find(|controllers| controllers.split(',').any(|name| name == controller))?;
        Some(Path::new(MOUNT).join(controller).join(path))
    }

    /// The folder of the process's group in the hierarchy of version 2.
    pub fn version_2(&self) -> Option<PathBuf> {
        let path = self.find(str::is_empty)?;
        Some(Path::new(if is_version_2() { MOUNT } else { UNIFIED }).join(path))
    }

    /// Each line of `/proc/PID/cgroup` is `NUMBER:CONTROLLERS:PATH`; version 2 has no controllers there (cgroups(7)).
    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            wanted(controllers).then(|| path.trim_start_matches('/'))
        })
    }
}

/// Whether this machine has version 2 alone: it has a file that only version 2 has (cgroups(7)).
fn is_version_2() -> bool {
    Path::new(MOUNT).join("cgroup.controllers").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_folder() {
        let version_1 = "4:memory:/kubepods/c1\n3:cpu,cpuacct:/kubepods/c1\n";
        let both = Membership(format!("{version_1}0::/elsewhere\n"));
        assert_eq!(both.version_1("memory").unwrap(), Path::new("/sys/fs/cgroup/memory/kubepods/c1"));
        assert_eq!(both.version_1("cpuacct").unwrap(), Path::new("/sys/fs/cgroup/cpuacct/kubepods/c1"));
        assert_eq!(both.version_1("devices"), None);
        assert!(both.version_2().unwrap().ends_with("elsewhere"));
        assert_eq!(Membership(version_1.to_owned()).version_2(), None);
    }
}
