//! A control group next to those of a pod's containers: what runs in it takes from what the pod may have.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where control groups are mounted (cgroups(7)).
const MOUNT: &str = "/sys/fs/cgroup";

/// The hierarchies of version 1 that limit what a compiler takes.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// A group, which is removed when this is dropped: then no process may be in it any more.
pub struct PodGroup(Vec<PathBuf>);

impl PodGroup {
    /// Moves the process `pid` into a new group in that of the pod. `container` is the `cgroupsPath` of one of its containers.
    ///
    /// # Errors
    /// `container` is no path of a control group, or the group cannot be made.
    pub fn join(container: &Path, pid: u32) -> Result<Self> {
        let pod = pod(container)?;
        let name = format!("httpserver-compiler-{pid}");
        let mut group = Self(Vec::new());
        for hierarchy in hierarchies() {
            let folder = hierarchy.join(&pod).join(&name);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
            group.0.push(folder.clone());
            fs::write(folder.join("cgroup.procs"), pid.to_string())
                .with_context(|| format!("cannot move a process to `{}`", folder.display()))?;
        }
        ensure!(!group.0.is_empty(), "no control groups in {MOUNT}");
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

/// Where the groups are: one place with version 2, one for each controller with version 1.
fn hierarchies() -> Vec<PathBuf> {
    let mount = Path::new(MOUNT);
    // A file that only version 2 has (cgroups(7)).
    if mount.join("cgroup.controllers").is_file() {
        return vec![mount.to_owned()];
    }
    CONTROLLERS.map(|controller| mount.join(controller)).into_iter().filter(|folder| folder.is_dir()).collect()
}

/// The group of the pod, below a hierarchy. `container` is `SLICE:PREFIX:NAME` if systemd makes the groups, else a path.
fn pod(container: &Path) -> Result<PathBuf> {
    let text = container.to_str().with_context(|| invalid(container))?;
    if let Some((slice, _)) = text.split_once(':') {
        return folder_of(slice).with_context(|| invalid(container));
    }
    let parent = container.parent().with_context(|| invalid(container))?;
    ensure!(!text.split('/').any(|part| part == ".."), invalid(container));
    Ok(parent.strip_prefix("/").unwrap_or(parent).to_owned())
}

/// A slice is in the one whose name is the part before its last dash (systemd.slice(5)); one without a name is `system.slice`.
fn folder_of(slice: &str) -> Option<PathBuf> {
    const SUFFIX: &str = ".slice";
    let slice = if slice.is_empty() { "system.slice" } else { slice };
    let name = slice.strip_suffix(SUFFIX).filter(|name| !name.contains('/'))?;
    if name == "-" {
        return Some(PathBuf::new());
    }
    let ends = name.match_indices('-').map(|(at, _)| at).chain([name.len()]);
    Some(ends.map(|end| format!("{}{SUFFIX}", &name[..end])).collect())
}

fn invalid(container: &Path) -> String {
    format!("invalid cgroupsPath \"{}\": expected a path, or SLICE:PREFIX:NAME", container.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_pod_is_that_of_its_container_without_the_last_part() {
        for (container, expected) in [
            ("/kubepods/burstable/pod1/c1", "kubepods/burstable/pod1"),
            ("/default/c1", "default"),
            ("/c1", ""),
            (
                "kubepods-burstable-pod1_2.slice:cri-containerd:c1",
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice",
            ),
            (":cri-containerd:c1", "system.slice"),
            ("-.slice:cri-containerd:c1", ""),
        ] {
            assert_eq!(pod(Path::new(container)).unwrap(), Path::new(expected), "{container}");
        }
        for container in ["", "/", "/kubepods/../c1", "a/b.slice:cri-containerd:c1", "kubepods:cri-containerd:c1"] {
            let error = pod(Path::new(container)).unwrap_err().to_string();
            assert!(error.starts_with("invalid cgroupsPath"), "{container}: {error}");
        }
    }
}
