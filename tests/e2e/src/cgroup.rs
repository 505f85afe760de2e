//! The limits and the measurements of a process's control groups, in either version of them (cgroups(7)).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use procfs::process::Process;

const MOUNT: &str = "/sys/fs/cgroup";

/// The limit of the memory, bytes; `None` if there is none.
pub fn memory_limit(process: &Process) -> Result<Option<u64>> {
    Ok(read(process, "memory", "memory.limit_in_bytes", "memory.max")?.parse().ok())
}

/// The most memory that the group ever had, bytes.
pub fn memory_peak(process: &Process) -> Result<u64> {
    Ok(read(process, "memory", "memory.max_usage_in_bytes", "memory.peak")?.parse()?)
}

/// The CPU time that the group may use in each period, and the period, both in microseconds; `None` if there is no limit.
pub fn cpu_limit(process: &Process) -> Result<Option<(u64, u64)>> {
    // Version 2 has both in one file.
    let quota = read(process, "cpu", "cpu.cfs_quota_us", "cpu.max")?;
    let (quota, period) = match quota.split_once(' ') {
        Some((quota, period)) => (quota.to_owned(), period.to_owned()),
        None => (quota, read(process, "cpu", "cpu.cfs_period_us", "cpu.max")?),
    };
    // -1 and `max` mean that there is no limit.
    Ok(quota.parse().ok().zip(period.parse().ok()))
}

/// A file of the group that has `controller`: its name in version 1, and in version 2.
fn read(process: &Process, controller: &str, version_1: &str, version_2: &str) -> Result<String> {
    let groups = process.cgroups()?.0;
    let of_controller = groups.iter().find(|group| group.controllers.iter().any(|name| name == controller));
    let unified = groups.iter().find(|group| group.controllers.is_empty());
    let (group, folder, file) = match of_controller {
        Some(group) => (group, controller, version_1),
        None => (unified.context("a process has a control group")?, "", version_2),
    };
    let path: PathBuf = [MOUNT, folder, group.pathname.trim_start_matches('/'), file].iter().collect();
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}
