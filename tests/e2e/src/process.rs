//! The process behind a pod, as the kernel of this machine sees it.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::testbed::text;

/// What the shim calls the process that serves.
const NAME: &str = "httpserver";

/// The process that serves in a pod.
pub struct Process {
    pub pid: i32,
    uid: String,
}

/// A thread's `/proc/PID/task/TID/status`.
pub struct Status(String);

impl Process {
    /// Of the application: finds it by the pod's cgroup.
    pub fn of(pod: &Value) -> Result<Self> {
        Self::named(pod, NAME)
    }

    /// Of a program of that name.
    pub fn named(pod: &Value, program: &str) -> Result<Self> {
        let uid = text(pod, "/metadata/uid")?.to_owned();
        let found = processes()?.into_iter().find(|pid| in_pod(*pid, &uid) && name(*pid) == program);
        Ok(Self { pid: found.with_context(|| format!("no process {program} of pod {uid}"))?, uid })
    }

    /// The first process of its pod's shim, which containerd talks to.
    pub fn shim(&self) -> Result<i32> {
        self.ancestors()?.pop().context("a container has a shim")
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(self.pid, signal)
    }

    /// Resident memory, KiB.
    pub fn resident(&self) -> Result<u64> {
        resident(self.pid)
    }

    /// Resident memory of the processes of the pod's shim that are outside of the pod, KiB each.
    pub fn shims(&self) -> Result<Vec<u64>> {
        self.of_shim()?.into_iter().map(resident).collect()
    }

    /// Its own share of the memory: what several processes have in common is divided among them. KiB.
    pub fn proportional(&self) -> Result<u64> {
        proportional(self.pid)
    }

    /// The same for the processes of [`Self::shims`] together.
    pub fn shims_proportional(&self) -> Result<u64> {
        self.of_shim()?.into_iter().map(proportional).sum()
    }

    /// The processes of the pod's shim that are outside of the pod, but for the first: what the shim forks from.
    pub fn forks_of_shim(&self) -> Result<Vec<i32>> {
        let first = self.shim()?;
        Ok(self.of_shim()?.into_iter().filter(|pid| *pid != first).collect())
    }

    /// The ancestors of the process up to the first that is no shim.
    fn ancestors(&self) -> Result<Vec<i32>> {
        let mut ancestors: Vec<i32> = Vec::new();
        let mut pid = parent(self.pid)?;
        while is_shim(pid) {
            ancestors.push(pid);
            pid = parent(pid)?;
        }
        Ok(ancestors)
    }

    /// Those, and their other children outside of the pod.
    fn of_shim(&self) -> Result<Vec<i32>> {
        let mut ancestors = self.ancestors()?;
        let others: Vec<i32> = processes()?
            .into_iter()
            .filter(|pid| is_shim(*pid) && !ancestors.contains(pid) && !in_pod(*pid, &self.uid))
            .filter(|pid| parent(*pid).is_ok_and(|parent| ancestors.contains(&parent)))
            .collect();
        ancestors.extend(others);
        Ok(ancestors)
    }

    /// What the first threads of a container's processes say; `container` as the pod's status names it, `containerd://ID`.
    pub fn of_container(container: &str) -> Result<Vec<Status>> {
        let id = container.rsplit('/').next().unwrap_or(container);
        let found: Vec<_> = processes()?.into_iter().filter(|pid| in_pod(*pid, id)).collect();
        if found.is_empty() {
            bail!("no process of container {id}");
        }
        found.into_iter().map(|pid| Ok(Status(fs::read_to_string(format!("/proc/{pid}/status"))?))).collect()
    }

    /// How what it sees at `path` is mounted: the options of `/proc/PID/mountinfo`.
    pub fn mount(&self, path: &str) -> Result<String> {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.pid))?;
        let line = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|line| line[4] == path);
        Ok(line.with_context(|| format!("no mount at {path}"))?[5].to_owned())
    }

    /// How much sooner than others it is ended when the node has no memory left.
    pub fn oom_score(&self) -> Result<u64> {
        Ok(fs::read_to_string(format!("/proc/{}/oom_score_adj", self.pid))?.trim().parse()?)
    }

    /// What each of its threads says.
    pub fn threads(&self) -> Result<Vec<Status>> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid))?;
        tasks.map(|task| Ok(Status(fs::read_to_string(task?.path().join("status"))?))).collect()
    }
}

impl Status {
    pub fn field(&self, name: &str) -> Result<&str> {
        let prefix = format!("{name}:");
        let line = self.0.lines().find_map(|line| line.strip_prefix(&prefix));
        Ok(line.with_context(|| format!("no {name}"))?.trim())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the process itself says.
pub fn status(pid: i32) -> Result<Status> {
    Ok(Status(fs::read_to_string(format!("/proc/{pid}/status"))?))
}

/// What the process has open beyond stdin, stdout and stderr: what the links in `/proc/PID/fd` say.
pub fn descriptors(pid: i32) -> Result<Vec<String>> {
    let mut links = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let path = entry?.path();
        if !["0", "1", "2"].iter().any(|standard| path.ends_with(standard)) {
            links.push(fs::read_link(path)?.display().to_string());
        }
    }
    Ok(links)
}

/// The processes that have this one as their parent.
pub fn children(pid: i32) -> Result<Vec<i32>> {
    Ok(processes()?.into_iter().filter(|child| parent(*child).is_ok_and(|parent| parent == pid)).collect())
}

/// Sends a signal, to whom nobody expects it.
pub fn send(pid: i32, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(pid).context("a process's number")?, signal)?)
}

/// Whether there is a process of that number, and not only what is left of it until it is reaped.
pub fn is_running(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map(Status);
    status.is_ok_and(|status| status.field("State").is_ok_and(|state| !state.starts_with('Z')))
}

fn is_shim(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("containerd-shim-"))
}

fn processes() -> Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The kubelet's cgroup for a pod has its uid in its name, with `_` for `-` where systemd makes it; a container's has its id.
fn in_pod(pid: i32, uid: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.contains(uid) || groups.contains(&uid.replace('-', "_"))
}

/// What the process is called.
pub fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

fn resident(pid: i32) -> Result<u64> {
    let status = Status(fs::read_to_string(format!("/proc/{pid}/status"))?);
    Ok(status.field("VmRSS")?.trim_end_matches(" kB").parse()?)
}

fn proportional(pid: i32) -> Result<u64> {
    let rollup = Status(fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?);
    Ok(rollup.field("Pss")?.trim_end_matches(" kB").trim().parse()?)
}

fn parent(pid: i32) -> Result<i32> {
    let status = Status(fs::read_to_string(format!("/proc/{pid}/status"))?);
    match status.field("PPid")?.parse()? {
        0 => bail!("{pid} has no parent"),
        parent => Ok(parent),
    }
}
