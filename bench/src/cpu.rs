//! CPU time: of a process with all that it started, of this program's ended children, and of the machine.

use std::collections::BTreeMap;
use std::ops::Sub;

use anyhow::{Context, Result};
use procfs::process::{Process, all_processes};
use procfs::{CurrentSI, KernelStats, ticks_per_second};

/// Seconds of CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// In user space.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

impl Cpu {
    /// Of a process and its descendants: all their threads, also those that have ended, and children that were waited for.
    pub fn of_tree(root: u32) -> Result<Self> {
        let root = i32::try_from(root)?;
        let mut parents = BTreeMap::new();
        let mut times = BTreeMap::new();
        // A process may end while it is looked at.
        for stat in all_processes()?.filter_map(|process| process.ok()?.stat().ok()) {
            parents.insert(stat.pid, stat.ppid);
            let waited = |ticks: i64| ticks.max(0).cast_unsigned();
            times.insert(stat.pid, (stat.utime + waited(stat.cutime), stat.stime + waited(stat.cstime)));
        }
        times.get(&root).context("the process has ended")?;
        let is_ours = |pid: &i32| ancestry(*pid, &parents).any(|pid| pid == root);
        let ours = times.iter().filter(|(pid, _)| is_ours(pid)).map(|(_, times)| *times);
        let (user, system) = ours.fold((0, 0), |sum, times| (sum.0 + times.0, sum.1 + times.1));
        Ok(Self::from_ticks(user, system))
    }

    /// Of this program, and of its children that have ended and were waited for.
    pub fn of_this_process() -> Result<Self> {
        let stat = Process::myself()?.stat()?;
        let waited = |ticks: i64| ticks.max(0).cast_unsigned();
        Ok(Self::from_ticks(stat.utime + waited(stat.cutime), stat.stime + waited(stat.cstime)))
    }

    /// Of the whole machine: all that a core did, and what the hypervisor gave to others.
    pub fn of_machine() -> Result<Self> {
        let all = KernelStats::current()?.total;
        let system = all.system + all.irq.unwrap_or(0) + all.softirq.unwrap_or(0) + all.steal.unwrap_or(0);
        Ok(Self::from_ticks(all.user + all.nice, system))
    }

    /// Both together, seconds.
    pub fn total(self) -> f64 {
        self.user + self.system
    }

    fn from_ticks(user: u64, system: u64) -> Self {
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
        Self { user: seconds(user), system: seconds(system) }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { user: self.user - other.user, system: self.system - other.system }
    }
}

/// A process, its parent, and so on.
fn ancestry(pid: i32, parents: &BTreeMap<i32, i32>) -> impl Iterator<Item = i32> {
    std::iter::successors(Some(pid), |pid| parents.get(pid).copied())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use test_support::eventually;

    use super::*;

    /// Uses some tenths of a second of CPU time, and says so.
    const BUSY: &str = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; read line";

    #[test]
    fn the_time_of_a_process_has_that_of_its_children() {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("sh -c '{BUSY}'; exit")]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = shell.spawn().unwrap();
        let used = || Some(Cpu::of_tree(child.id()).unwrap().total()).filter(|seconds| *seconds > 0.02);
        eventually("the child's child has used CPU time", used);
        child.kill().unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
