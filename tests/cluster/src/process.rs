//! Processes by id and start time: an id alone may long be somebody else's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Clock ticks in a second as `/proc` counts them: `USER_HZ`, 100 on every architecture that we run on.
const TICKS: u64 = 100;

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
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (stat.state != 'Z').then_some(Self { pid, started: stat.started })
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

    /// Whether it still runs, and not another under its id.
    pub fn is_running(self) -> bool {
        Self::of(self.pid) == Some(self)
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
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let started = self.started as f64 / TICKS as f64;
        self.is_running().then(|| Duration::from_secs_f64((now - started).max(0.0)))
    }

    /// Its resident memory in bytes; `None` if it is not running.
    pub fn memory(self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let kibibytes: u64 = field(&status, "VmRSS")?.trim_end_matches(" kB").parse().ok()?;
        Some(kibibytes * 1024)
    }
}

/// The process with id `inner` in the pid namespace whose first process is `init`.
///
/// # Errors
/// If there is none: it ended at once.
pub fn in_namespace(init: Process, inner: u32) -> Result<Process> {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(&init.pid.to_string());
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
                continue;
            };
            let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
            if inner_id(&status) == Some(inner) && namespace(pid) == wanted {
                return Process::of(pid.parse()?).context("it ended as soon as it was started");
            }
        }
    }
    anyhow::bail!("it ended as soon as it was started")
}

/// The id in the innermost pid namespace, of `/proc/PID/status`.
fn inner_id(status: &str) -> Option<u32> {
    field(status, "NSpid")?.split_whitespace().last()?.parse().ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// What we want to know of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    started: u64,
}

impl Stat {
    /// The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        // proc_pid_stat(5) counts from 1: `state` is field 3, `starttime` field 22.
        Some(Self { state, started: fields.nth(22 - 4)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2 3";
        assert_eq!(Stat::parse(stat), Some(Stat { state: 'S', started: 4242 }));
    }

    #[test]
    fn the_innermost_id_is_the_last_one() {
        assert_eq!(inner_id("Name:\tsh\nNSpid:\t3120\t17\n"), Some(17));
        assert_eq!(inner_id("NSpid:\t3120\n"), Some(3120));
    }

    #[test]
    fn another_process_with_the_same_id_is_not_ours() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        let other = Process { started: process.started + 1, ..process };
        assert!(process.is_running() && !other.is_running());
        other.signal(Signal::KILL);
        assert!(process.is_running());
        process.end(Signal::KILL, Duration::from_secs(5)).unwrap();
        child.wait().unwrap();
    }
}
