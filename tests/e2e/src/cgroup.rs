//! What a process's control groups say, in either version of them (cgroups(7)).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

const MOUNT: &str = "/sys/fs/cgroup";

/// The limit of its memory, bytes; `None` if there is none.
pub fn memory_limit(pid: i32) -> Result<Option<u64>> {
    Ok(read(pid, "memory", "memory.limit_in_bytes", "memory.max")?.parse().ok())
}

/// The most memory that it had, bytes.
pub fn memory_peak(pid: i32) -> Result<u64> {
    Ok(read(pid, "memory", "memory.max_usage_in_bytes", "memory.peak")?.parse()?)
}

/// So many microseconds of CPU time in each period of so many; `None` if there is no limit.
pub fn cpu_limit(pid: i32) -> Result<Option<(u64, u64)>> {
    // Version 2 has both in one file.
    let quota = read(pid, "cpu", "cpu.cfs_quota_us", "cpu.max")?;
    let (quota, period) = match quota.split_once(' ') {
        Some((quota, period)) => (quota.to_owned(), period.to_owned()),
        None => (quota, read(pid, "cpu", "cpu.cfs_period_us", "cpu.max")?),
    };
    // -1 and `max` are no limit.
    Ok(quota.parse().ok().zip(period.parse().ok()))
}

/// A file of the group that has `controller`: its name in version 1, and in version 2.
fn read(pid: i32, controller: &str, version_1: &str, version_2: &str) -> Result<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let path = |wanted: &dyn Fn(&str) -> bool| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            wanted(controllers).then(|| path.trim_start_matches('/'))
        })
    };
    let file: PathBuf = match path(&|controllers| controllers.split(',').any(|name| name == controller)) {
        Some(path) => [MOUNT, controller, path, version_1].iter().collect(),
        None => [MOUNT, path(&str::is_empty).context("it has a group")?, version_2].iter().collect(),
    };
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}
