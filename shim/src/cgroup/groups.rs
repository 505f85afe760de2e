//! A container's control groups by the path in its specification: which processes they have, how to end these, how to remove them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use libcgroups::common::{AnyCgroupManager, CgroupConfig, CgroupManager, ControllerOpt, create_cgroup_manager};
use oci_spec::runtime::{LinuxResources, Spec};
use serde::{Deserialize, Serialize};

use super::{MOUNT, is_version_2};
use crate::process::{Process, SIGKILL};

/// How often processes are killed again, and their end is looked for.
const INTERVAL: Duration = Duration::from_millis(10);

/// The limits that libcgroups passes on to systemd.
const KNOWN: [&str; 9] = [
    "cpu.weight",
    "cpu.max",
    "cpuset.cpus",
    "cpuset.mems",
    "memory.min",
    "memory.low",
    "memory.high",
    "memory.max",
    "pids.max",
];

/// Who makes the control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Driver {
    /// systemd, for `SLICE:PREFIX:NAME`: a scope, of which it has a record.
    Systemd,
    /// The shim, for every other path: folders.
    Cgroupfs,
}

/// The control groups of one container: one with version 2, one for each hierarchy with version 1. They need not be there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Groups {
    /// Who makes them.
    pub driver: Driver,
    id: String,
    /// As the specification has it, for libcgroups.
    path: PathBuf,
    /// Below the root of each hierarchy.
    folder: PathBuf,
}

impl Groups {
    /// Those of the container `id`. The path decides about the driver, since containerd writes it as the kubelet's driver needs it.
    /// Changes path and limits in `spec` so that libcgroups does with them what they mean.
    ///
    /// # Errors
    /// The path is invalid.
    pub fn from_spec(spec: &mut Spec, id: &str) -> Result<Self> {
        let linux = spec.linux_mut().as_mut().context("the container's config.json has no `linux`")?;
        // `ctr` does so, too.
        let path = linux.cgroups_path().clone().unwrap_or_else(|| Path::new("/").join(id));
        let groups = Self::from_path(path, id, is_version_2())?;
        linux.set_cgroups_path(Some(groups.path.clone()));
        if let Some(resources) = linux.resources_mut() {
            keep_from_swap(resources, is_version_2());
        }
        Ok(groups)
    }

    fn from_path(path: PathBuf, id: &str, is_version_2: bool) -> Result<Self> {
        let text = path.to_str().context("invalid `cgroupsPath`: expected UTF-8")?;
        let parts: Vec<_> = text.split(':').collect();
        let (mut driver, mut path, folder) = match parts[..] {
            [slice, prefix, name] => {
                (Driver::Systemd, path.clone(), expand(slice)?.join(format!("{prefix}-{name}.scope")))
            }
            _ => (
                Driver::Cgroupfs,
                path.clone(),
                path.components().skip_while(|part| *part == Component::RootDir).collect(),
            ),
        };
        let is_below = folder.components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(
            is_below && folder.components().next().is_some(),
            "invalid `cgroupsPath` \"{}\": expected `SLICE:PREFIX:NAME` or a path such as `/kubepods/NAME`",
            path.display()
        );
        if driver == Driver::Systemd && !is_version_2 {
            // libcgroups does not ask systemd there. In the folder where systemd would have it, the limits of the pod hold.
            (driver, path) = (Driver::Cgroupfs, Path::new("/").join(&folder));
        }
        Ok(Self { driver, id: id.to_owned(), path, folder })
    }

    /// The folders that are there.
    fn folders(&self) -> Vec<PathBuf> {
        let roots = if is_version_2() {
            vec![PathBuf::from(MOUNT)]
        } else {
            let hierarchies = fs::read_dir(MOUNT).into_iter().flatten().flatten();
            // A link is a second name of one.
            hierarchies
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path())
                .collect()
        };
        roots.into_iter().map(|root| root.join(&self.folder)).filter(|folder| folder.is_dir()).collect()
    }

    /// The folders of the group `name` beside this one, so that it takes from what the pod may have. With version 1 there is one in
    /// the hierarchy of each of `controllers`.
    pub fn beside(&self, name: &str, controllers: &[&str]) -> Vec<PathBuf> {
        let mount = Path::new(MOUNT);
        let roots = if is_version_2() {
            vec![mount.to_owned()]
        } else {
            controllers.iter().map(|controller| mount.join(controller)).filter(|folder| folder.is_dir()).collect()
        };
        roots.into_iter().map(|root| root.join(self.neighbour(name))).collect()
    }

    /// Below the root of each hierarchy.
    fn neighbour(&self, name: &str) -> PathBuf {
        self.folder.with_file_name(name)
    }

    /// The processes in them.
    pub fn pids(&self) -> Vec<i32> {
        let mut pids = BTreeSet::new();
        for folder in self.folders().iter().flat_map(|folder| tree(folder)) {
            // It may be removed meanwhile.
            let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        pids.into_iter().collect()
    }

    /// Sends `signal` to each process in them, and returns how many there were.
    pub fn send(&self, signal: u32) -> usize {
        let processes: Vec<_> = self.pids().into_iter().filter_map(|pid| Process::open(pid).ok()).collect();
        // What is still in them was in them when it was opened: a number that is used anew meanwhile is that of another process.
        let still: BTreeSet<_> = self.pids().into_iter().collect();
        processes.iter().filter(|process| still.contains(&process.pid()) && process.send(signal).is_ok()).count()
    }

    /// Kills all processes in them, and waits until there is none. Never freezes them: if that fails, nothing thaws them.
    ///
    /// # Errors
    /// There are some after `timeout`.
    pub fn kill(&self, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        loop {
            for folder in self.folders() {
                // Version 2 has it from Linux 5.14; it reaches what is forked meanwhile.
                let _ = fs::write(folder.join("cgroup.kill"), "1");
                // Version 1 does not kill what is frozen, and whoever froze it may be gone.
                let _ = fs::write(folder.join("freezer.state"), "THAWED");
            }
            self.send(SIGKILL);
            let pids = self.pids();
            if pids.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end {
                let described: Vec<_> = pids.into_iter().take(3).map(crate::process::describe).collect();
                bail!("the container's processes do not end after SIGKILL: {}", described.join(", "));
            }
            sleep(INTERVAL);
        }
    }

    /// Removes the folders, in which there is no process any more. Those of a scope are systemd's to remove: waits for that.
    ///
    /// # Errors
    /// Some are there after `timeout`.
    pub fn remove(&self, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        loop {
            let folders = self.folders();
            let Some(first) = folders.first() else { return Ok(()) };
            let mut last = None;
            if self.driver == Driver::Cgroupfs {
                // The innermost first.
                for folder in folders.iter().flat_map(|folder| tree(folder).into_iter().rev()) {
                    last =
                        fs::remove_dir(&folder).err().filter(|error| error.kind() != io::ErrorKind::NotFound).or(last);
                }
                if last.is_none() {
                    continue;
                }
            }
            if Instant::now() >= end {
                let reason = last.map_or_else(|| "systemd keeps it".to_owned(), |error| error.to_string());
                bail!("cannot remove the control group `{}`: {reason}", first.display());
            }
            sleep(INTERVAL);
        }
    }

    /// Sets the limits in `resources`, and leaves all others as they are. Talks to systemd, if that is the driver.
    ///
    /// # Errors
    /// The kernel or systemd refuses a limit.
    pub fn update(&self, mut resources: LinuxResources) -> Result<()> {
        keep_from_swap(&mut resources, is_version_2());
        let options = ControllerOpt {
            resources: &resources,
            disable_oom_killer: false,
            oom_score_adj: None,
            freezer_state: None,
        };
        self.manager()?.apply(&options)?;
        self.add_unknown(&resources)
    }

    /// Sets those limits of version 2 that libcgroups leaves out if systemd is the driver, since systemd does not know them:
    /// `memory.oom.group`, for example, which the kubelet asks for.
    ///
    /// # Errors
    /// The kernel refuses a limit.
    pub fn add_unknown(&self, resources: &LinuxResources) -> Result<()> {
        if self.driver != Driver::Systemd {
            return Ok(());
        }
        for (name, value) in resources.unified().iter().flatten().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
            ensure!(!name.contains('/'), "invalid limit \"{name}\": expected a file such as `memory.oom.group`");
            for folder in self.folders() {
                fs::write(folder.join(name), value)
                    .with_context(|| format!("cannot set the limit `{name}` to {value}"))?;
            }
        }
        Ok(())
    }

    fn manager(&self) -> Result<AnyCgroupManager> {
        Ok(create_cgroup_manager(CgroupConfig {
            cgroup_path: self.path.clone(),
            systemd_cgroup: self.driver == Driver::Systemd,
            container_name: self.id.clone(),
        })?)
    }
}

/// The kubelet limits memory and swap together to what it limits the memory to: nothing goes to swap. libcgroups takes that for "no
/// limit" with version 2. One byte more is less than a page, of which the kernel makes 0.
fn keep_from_swap(resources: &mut LinuxResources, is_version_2: bool) {
    let Some(mut memory) = *resources.memory() else { return };
    let limit = memory.limit().filter(|&limit| limit > 0 && memory.swap() == Some(limit));
    if let (Some(limit), true) = (limit, is_version_2) {
        memory.set_swap(Some(limit + 1));
        resources.set_memory(Some(memory));
    }
}

/// A folder and all folders below it, the outer ones first.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(folder) = found.get(next) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let inner: Vec<_> = inner.map(|entry| entry.path()).collect();
        found.extend(inner);
        next += 1;
    }
    found
}

/// The folder of a slice: `a-b.slice` is in `a.slice` (systemd.slice(5)).
fn expand(slice: &str) -> Result<PathBuf> {
    // The default of systemd (systemd.resource-control(5), `Slice=`).
    let slice = if slice.is_empty() { "system.slice" } else { slice };
    let invalid =
        || format!("invalid slice \"{slice}\" in `cgroupsPath`: expected a name such as `kubepods-pod1.slice`");
    let name = slice.strip_suffix(".slice").with_context(invalid)?;
    if name == "-" {
        return Ok(PathBuf::new());
    }
    ensure!(!name.contains('/') && name.split('-').all(|part| !part.is_empty()), invalid());
    let ends = name.match_indices('-').map(|(end, _)| end).chain([name.len()]);
    Ok(ends.map(|end| format!("{}.slice", &name[..end])).collect())
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::LinuxMemory;

    use super::*;

    fn at(path: &str) -> Result<Groups> {
        Groups::from_path(path.into(), "c1", true)
    }

    #[test]
    fn the_path_decides_about_the_driver() {
        let systemd = at("kubepods-burstable-pod1_2.slice:cri-containerd:c1").unwrap();
        assert_eq!(systemd.driver, Driver::Systemd);
        let folder = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-c1.scope";
        assert_eq!(systemd.folder, Path::new(folder));
        for path in ["/kubepods/burstable/pod1/c1", "kubepods/burstable/pod1/c1"] {
            let cgroupfs = at(path).unwrap();
            assert_eq!(
                (cgroupfs.driver, cgroupfs.folder.as_path()),
                (Driver::Cgroupfs, Path::new("kubepods/burstable/pod1/c1"))
            );
        }
        assert_eq!(at(":shim:c1").unwrap().folder, Path::new("system.slice/shim-c1.scope"));
        assert_eq!(at("-.slice:shim:c1").unwrap().folder, Path::new("shim-c1.scope"));
    }

    #[test]
    fn a_neighbour_is_in_the_group_of_the_pod() {
        for (container, expected) in [
            ("/kubepods/burstable/pod1/c1", "kubepods/burstable/pod1/n"),
            ("/default/c1", "default/n"),
            ("/c1", "n"),
            ("kubepods-pod1_2.slice:cri-containerd:c1", "kubepods.slice/kubepods-pod1_2.slice/n"),
            (":cri-containerd:c1", "system.slice/n"),
            ("-.slice:cri-containerd:c1", "n"),
        ] {
            assert_eq!(at(container).unwrap().neighbour("n"), Path::new(expected), "{container}");
        }
    }

    #[test]
    fn with_version_1_a_scope_is_a_folder_below_the_pods() {
        let groups = Groups::from_path("kubepods-pod1.slice:cri-containerd:c1".into(), "c1", false).unwrap();
        let path = "/kubepods.slice/kubepods-pod1.slice/cri-containerd-c1.scope";
        assert_eq!((groups.driver, groups.path.as_path()), (Driver::Cgroupfs, Path::new(path)));
        assert_eq!(groups.folder, Path::new(&path[1..]));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        for path in ["", "/", "/kubepods/../..", "a/b.slice:x:y", "-a.slice:x:y", "a:b:c", "a.slice:../../x:y"] {
            let error = at(path).unwrap_err().to_string();
            assert!(error.contains("`cgroupsPath`") && error.contains("expected"), "{path}: {error}");
        }
    }

    #[test]
    fn what_may_not_go_to_swap_gets_less_than_a_page_of_it() {
        let swap = |limit: i64, swap: i64, is_version_2| {
            let mut resources = LinuxResources::default();
            let mut memory = LinuxMemory::default();
            memory.set_limit(Some(limit)).set_swap(Some(swap));
            resources.set_memory(Some(memory));
            keep_from_swap(&mut resources, is_version_2);
            resources.memory().unwrap().swap().unwrap()
        };
        assert_eq!(swap(1 << 20, 1 << 20, true), (1 << 20) + 1);
        assert_eq!(swap(1 << 20, 1 << 20, false), 1 << 20);
        assert_eq!(swap(1 << 20, 1 << 21, true), 1 << 21);
        assert_eq!(swap(-1, -1, true), -1);
    }

    #[test]
    fn groups_that_are_not_there_have_no_processes_and_are_removed() {
        let groups = at("/no-such-group/c1").unwrap();
        assert_eq!(groups.pids(), [0; 0]);
        assert_eq!(groups.send(15), 0);
        groups.kill(Duration::ZERO).unwrap();
        groups.remove(Duration::ZERO).unwrap();
    }
}
