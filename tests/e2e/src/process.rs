//! The processes behind a pod, as the kernel of this machine sees them.

use anyhow::{Context, Result, bail, ensure};
use procfs::process::{self, FDTarget, Process, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::testbed::text;

/// What the shim calls the process that serves.
const NAME: &str = "httpserver";

/// A process in a pod.
pub struct PodProcess {
    /// The process itself.
    pub process: Process,
    /// The pod's uid.
    uid: String,
}

impl PodProcess {
    /// The process of the application in that pod.
    pub fn for_application(pod: &Value) -> Result<Self> {
        Self::named(pod, NAME)
    }

    /// The process in that pod whose program has this name.
    pub fn named(pod: &Value, program: &str) -> Result<Self> {
        let uid = text(pod, "/metadata/uid")?.to_owned();
        let found = all()?.into_iter().find(|process| in_cgroup(process, &uid) && name(process) == program);
        Ok(Self { process: found.with_context(|| format!("no process {program} of pod {uid}"))?, uid })
    }

    /// The first process of the pod's shim, which containerd talks to.
    pub fn shim(&self) -> Result<Process> {
        self.ancestors()?.pop().context("a container has a shim")
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> Result<u64> {
        resident(&self.process)
    }

    /// Resident memory of the processes of the pod's shim that are outside of the pod, bytes each.
    pub fn shims_resident(&self) -> Result<Vec<u64>> {
        self.shim_processes()?.iter().map(resident).collect()
    }

    /// Its share of the memory: a page that several processes have is divided among them. Bytes.
    pub fn proportional(&self) -> Result<u64> {
        proportional(&self.process)
    }

    /// The same for the processes of [`Self::shims_resident`] together.
    pub fn shims_proportional(&self) -> Result<u64> {
        self.shim_processes()?.iter().map(proportional).sum()
    }

    /// The processes of the pod's shim that are outside of the pod, except the first: what the shim forks from.
    pub fn shim_forks(&self) -> Result<Vec<Process>> {
        let first = self.shim()?.pid;
        Ok(self.shim_processes()?.into_iter().filter(|process| process.pid != first).collect())
    }

    /// The ancestors that belong to the shim, the nearest first.
    fn ancestors(&self) -> Result<Vec<Process>> {
        let mut ancestors = Vec::new();
        let mut ancestor = parent(&self.process)?;
        while is_shim(&ancestor) {
            let next = parent(&ancestor)?;
            ancestors.push(ancestor);
            ancestor = next;
        }
        Ok(ancestors)
    }

    /// The ancestors that belong to the shim, and their other children outside of the pod.
    fn shim_processes(&self) -> Result<Vec<Process>> {
        let mut processes = self.ancestors()?;
        let ids: Vec<_> = processes.iter().map(|ancestor| ancestor.pid).collect();
        let is_other =
            |process: &Process| is_shim(process) && !ids.contains(&process.pid) && !in_cgroup(process, &self.uid);
        let is_child = |process: &Process| process.status().is_ok_and(|status| ids.contains(&status.ppid));
        processes.extend(all()?.into_iter().filter(|process| is_other(process) && is_child(process)));
        Ok(processes)
    }

    /// The options with which the file system at `path` is mounted, as the process sees it.
    pub fn mount_options(&self, path: &str) -> Result<Vec<String>> {
        let mounts = self.process.mountinfo()?;
        let mount = mounts.into_iter().find(|mount| mount.mount_point.as_os_str() == path);
        Ok(mount.with_context(|| format!("no mount at {path}"))?.mount_options.into_keys().collect())
    }

    /// The status of each of its threads.
    pub fn threads(&self) -> Result<Vec<Status>> {
        self.process.tasks()?.map(|task| Ok(task?.status()?)).collect()
    }
}

/// The status of each process of a container; `container` is its id as the pod's status has it, `containerd://ID`.
pub fn container_statuses(container: &str) -> Result<Vec<Status>> {
    let id = container.rsplit('/').next().unwrap_or(container);
    let found: Vec<_> = all()?.into_iter().filter(|process| in_cgroup(process, id)).collect();
    ensure!(!found.is_empty(), "no process of container {id}");
    found.iter().map(|process| Ok(process.status()?)).collect()
}

/// Whether the process has a capability in any of its sets.
pub fn has_capabilities(status: &Status) -> bool {
    let sets = [Some(status.capinh), Some(status.capprm), Some(status.capeff), status.capbnd, status.capamb];
    sets != [Some(0); 5]
}

/// The targets of the descriptors that the process has open, except stdin, stdout and stderr.
pub fn descriptors(process: &Process) -> Result<Vec<FDTarget>> {
    let open = process.fd()?.collect::<Result<Vec<_>, _>>()?;
    Ok(open.into_iter().filter(|descriptor| descriptor.fd > 2).map(|descriptor| descriptor.target).collect())
}

/// The processes that have this one as their parent.
pub fn children(parent: &Process) -> Result<Vec<Process>> {
    let is_child = |process: &Process| process.status().is_ok_and(|status| status.ppid == parent.pid);
    Ok(all()?.into_iter().filter(is_child).collect())
}

/// Sends a signal; the kubelet and containerd do not know of it.
pub fn send(process: &Process, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(process.pid).context("a process has an id above 0")?, signal)?)
}

/// Whether the process runs: one that has ended and was not reaped yet, a zombie, does not.
pub fn is_running(process: &Process) -> bool {
    process.status().is_ok_and(|status| !status.state.starts_with('Z'))
}

/// The name of the process; empty if it has ended. It is read from `stat`: of `status` procfs has a name only up to its first colon.
pub fn name(process: &Process) -> String {
    process.stat().map(|stat| stat.comm).unwrap_or_default()
}

/// All processes of this machine that did not end meanwhile.
fn all() -> Result<Vec<Process>> {
    Ok(process::all_processes()?.flatten().collect())
}

fn is_shim(process: &Process) -> bool {
    process.cmdline().is_ok_and(|words| words.iter().any(|word| word.contains("containerd-shim-")))
}

/// Whether the name of one of the process's cgroups contains that id: a pod's uid, in which systemd replaces `-` by `_`, or a
/// container's id.
fn in_cgroup(process: &Process, id: &str) -> bool {
    let escaped = id.replace('-', "_");
    let contains = |name: &str| name.contains(id) || name.contains(&escaped);
    process.cgroups().is_ok_and(|groups| groups.into_iter().any(|group| contains(&group.pathname)))
}

fn resident(process: &Process) -> Result<u64> {
    Ok(process.status()?.vmrss.context("a process that runs has memory")? * 1024)
}

fn proportional(process: &Process) -> Result<u64> {
    let rollup = process.smaps_rollup()?.memory_map_rollup;
    rollup.into_iter().find_map(|map| map.extension.map.get("Pss").copied()).context("no Pss in smaps_rollup")
}

fn parent(process: &Process) -> Result<Process> {
    match process.status()?.ppid {
        0 => bail!("process {} has no parent", process.pid),
        parent => Ok(Process::new(parent)?),
    }
}
