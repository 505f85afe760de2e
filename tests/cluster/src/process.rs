//! Processes by id and start time, since the kernel gives an id to another process later.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use procfs::process::all_processes;
use procfs::{Current, Uptime, ticks_per_second};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A process that this library started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id, as this machine's first pid namespace counts.
    pub pid: u32,
    /// When it started, in clock ticks after the machine's own start.
    started: u64,
}

impl Process {
    /// The process that has this id now, if there is one that is not a zombie.
    pub fn from_id(pid: u32) -> Option<Self> {
        let stat = kernel(pid)?.stat().ok()?;
        (stat.state != 'Z').then_some(Self { pid, started: stat.starttime })
    }

    /// The process noted in `file`, running or not.
    pub fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }

    /// Notes this process in `file`.
    pub fn write(self, file: &Path) -> Result<()> {
        let text = format!("{} {}\n", self.pid, self.started);
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Whether it still runs. Another process that has its id by now does not count.
    pub fn is_running(self) -> bool {
        Self::from_id(self.pid) == Some(self)
    }

    /// Sends `signal`; nothing happens if the process has ended.
    pub fn signal(self, signal: Signal) {
        if self.is_running()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // An error says that it ended just now, which is what the caller wants or will find out.
            let _ = kill_process(pid, signal);
        }
    }

    /// Sends `signal` and waits until the process has ended.
    ///
    /// # Errors
    /// If it still runs after `patience`.
    pub fn end(self, signal: Signal, patience: Duration) -> Result<()> {
        self.signal(signal);
        wait::until(&format!("end of process {}", self.pid), patience, || Ok(!self.is_running()))
    }

    /// How long it has been running; `None` if it is not.
    pub fn uptime(self) -> Option<Duration> {
        let now = Uptime::current().ok()?.uptime;
        let started = self.started as f64 / ticks_per_second() as f64;
        self.is_running().then(|| Duration::from_secs_f64((now - started).max(0.0)))
    }

    /// Its resident memory in bytes; `None` if it is not running.
    pub fn memory(self) -> Option<u64> {
        Some(kernel(self.pid)?.status().ok()?.vmrss? * 1024)
    }
}

/// What the kernel says of the process with this id.
fn kernel(pid: u32) -> Option<procfs::process::Process> {
    procfs::process::Process::new(i32::try_from(pid).ok()?).ok()
}

/// The process with id `inner` in the pid namespace whose first process is `init`.
///
/// # Errors
/// If there is none: it ended at once.
pub fn in_namespace(init: Process, inner: u32) -> Result<Process> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(i32::try_from(init.pid)?);
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        for process in all_processes().context("cannot read /proc")?.flatten() {
            let Some(ids) = process.status().ok().and_then(|status| status.nspid) else { continue };
            // The last is the id in the innermost namespace.
            if ids.last().is_some_and(|id| i64::from(*id) == i64::from(inner)) && namespace(process.pid) == wanted {
                return Process::from_id(process.pid.try_into()?).context("it ended as soon as it was started");
            }
        }
    }
    bail!("it ended as soon as it was started")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn another_process_with_the_same_id_is_not_ours() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::from_id(child.id()).unwrap();
        let other = Process { started: process.started + 1, ..process };
        assert!(process.is_running() && !other.is_running());
        other.signal(Signal::KILL);
        assert!(process.is_running());
        process.end(Signal::KILL, Duration::from_secs(5)).unwrap();
        child.wait().unwrap();
    }
}
