//! What a container uses, from the kernel's files about its control groups, in the units of containerd's message: bytes and
//! nanoseconds. With version 2 of control groups, too, since containerd takes this message from either; the crate
//! `containerd-shim-protos` has only this one, and `containerd-shim` fills it with microseconds and without the page cache.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use containerd_shim::protos::cgroups::metrics::{
    CPUStat, CPUUsage, MemoryEntry, MemoryStat, Metrics, PidsStat, Throttle,
};

use crate::cgroup::Membership;

/// Nanoseconds in a tick of `cpuacct.stat`: 1/100 s on every architecture that this runs on (time(7), USER_HZ).
const TICK: u64 = 10_000_000;

/// What the container of the process `pid` uses.
///
/// # Errors
/// There is no such process, or its control groups have no such files.
pub fn collect(pid: i32) -> Result<Metrics> {
    let membership = Membership::for_process(pid)?;
    let version_1 = |controller| membership.version_1(controller).map(Group);
    match (version_1("cpu"), version_1("cpuacct"), version_1("memory"), version_1("pids")) {
        (Some(cpu), Some(cpuacct), Some(memory), pids) => collect_version_1(&cpu, &cpuacct, &memory, pids.as_ref()),
        _ => collect_version_2(&Group(membership.version_2().context("the container is in no control group")?)),
    }
}

/// The folder of a control group.
struct Group(PathBuf);

impl Group {
    /// A number; the largest one if there is no limit.
    fn number(&self, file: &str) -> Result<u64> {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let text = text.trim();
        if text == "max" {
            return Ok(u64::MAX);
        }
        text.parse().with_context(|| format!("invalid number \"{text}\" in `{}`", path.display()))
    }

    /// Lines `NAME NUMBER`.
    fn table(&self, file: &str) -> Result<Table> {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let row = |line: &str| {
            line.split_once(' ').and_then(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?)))
        };
        Ok(Table(text.lines().filter_map(row).collect()))
    }

    fn has(&self, file: &str) -> bool {
        Path::new(&self.0).join(file).exists()
    }
}

/// Numbers by their names.
struct Table(HashMap<String, u64>);

impl Table {
    /// 0 if this kernel does not have it.
    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

fn collect_version_2(group: &Group) -> Result<Metrics> {
    let cpu = group.table("cpu.stat")?;
    let nanoseconds = |name| cpu.get(name).saturating_mul(1000);
    let memory = group.table("memory.stat")?;
    let stat = MemoryStat {
        usage: Some(entry(group, "memory.current", "memory.max", "memory.peak")?).into(),
        swap: Some(entry(group, "memory.swap.current", "memory.swap.max", "memory.swap.peak")?).into(),
        hierarchical_memory_limit: group.number("memory.max")?,
        total_cache: memory.get("file"),
        total_rss: memory.get("anon"),
        total_mapped_file: memory.get("file_mapped"),
        total_dirty: memory.get("file_dirty"),
        total_writeback: memory.get("file_writeback"),
        total_pg_fault: memory.get("pgfault"),
        total_pg_maj_fault: memory.get("pgmajfault"),
        total_inactive_anon: memory.get("inactive_anon"),
        total_active_anon: memory.get("active_anon"),
        total_inactive_file: memory.get("inactive_file"),
        total_active_file: memory.get("active_file"),
        total_unevictable: memory.get("unevictable"),
        ..MemoryStat::default()
    };
    let usage = CPUUsage {
        total: nanoseconds("usage_usec"),
        user: nanoseconds("user_usec"),
        kernel: nanoseconds("system_usec"),
        ..CPUUsage::default()
    };
    let throttling = throttle(&cpu, nanoseconds("throttled_usec"));
    metrics(usage, throttling, stat, Some(group))
}

fn collect_version_1(cpu: &Group, cpuacct: &Group, memory: &Group, pids: Option<&Group>) -> Result<Metrics> {
    let times = cpuacct.table("cpuacct.stat")?;
    let usage = CPUUsage {
        total: cpuacct.number("cpuacct.usage")?,
        user: times.get("user").saturating_mul(TICK),
        kernel: times.get("system").saturating_mul(TICK),
        ..CPUUsage::default()
    };
    let cpu = cpu.table("cpu.stat")?;
    let stat = memory.table("memory.stat")?;
    let usage_file = |name: &str| format!("memory.{name}_in_bytes");
    let swap = entry(memory, &usage_file("memsw.usage"), &usage_file("memsw.limit"), &usage_file("memsw.max_usage"))?;
    let stat = MemoryStat {
        usage: Some(entry(memory, &usage_file("usage"), &usage_file("limit"), &usage_file("max_usage"))?).into(),
        swap: Some(swap).into(),
        cache: stat.get("cache"),
        rss: stat.get("rss"),
        hierarchical_memory_limit: stat.get("hierarchical_memory_limit"),
        hierarchical_swap_limit: stat.get("hierarchical_memsw_limit"),
        total_cache: stat.get("total_cache"),
        total_rss: stat.get("total_rss"),
        total_mapped_file: stat.get("total_mapped_file"),
        total_dirty: stat.get("total_dirty"),
        total_writeback: stat.get("total_writeback"),
        total_pg_fault: stat.get("total_pgfault"),
        total_pg_maj_fault: stat.get("total_pgmajfault"),
        total_inactive_anon: stat.get("total_inactive_anon"),
        total_active_anon: stat.get("total_active_anon"),
        total_inactive_file: stat.get("total_inactive_file"),
        total_active_file: stat.get("total_active_file"),
        total_unevictable: stat.get("total_unevictable"),
        ..MemoryStat::default()
    };
    metrics(usage, throttle(&cpu, cpu.get("throttled_time")), stat, pids)
}

fn metrics(usage: CPUUsage, throttling: Throttle, memory: MemoryStat, pids: Option<&Group>) -> Result<Metrics> {
    let cpu = CPUStat { usage: Some(usage).into(), throttling: Some(throttling).into(), ..CPUStat::default() };
    let mut metrics = Metrics { cpu: Some(cpu).into(), memory: Some(memory).into(), ..Metrics::default() };
    if let Some(group) = pids.filter(|group| group.has("pids.current")) {
        // 0 means that there is no limit, as runc has it.
        let limit = Some(group.number("pids.max")?).filter(|&limit| limit != u64::MAX).unwrap_or_default();
        let pids = PidsStat { current: group.number("pids.current")?, limit, ..PidsStat::default() };
        metrics.pids = Some(pids).into();
    }
    Ok(metrics)
}

fn throttle(cpu: &Table, time: u64) -> Throttle {
    Throttle {
        periods: cpu.get("nr_periods"),
        throttled_periods: cpu.get("nr_throttled"),
        throttled_time: time,
        ..Throttle::default()
    }
}

/// Not every kernel counts swap, nor the most that there ever was.
fn entry(group: &Group, usage: &str, limit: &str, max: &str) -> Result<MemoryEntry> {
    let optional = |file: &str| if group.has(file) { group.number(file) } else { Ok(0) };
    Ok(MemoryEntry { usage: optional(usage)?, limit: optional(limit)?, max: optional(max)?, ..MemoryEntry::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, Group) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let group = Group(folder.path().to_owned());
        (folder, group)
    }

    #[test]
    fn version_2_is_reported_in_nanoseconds_and_with_the_page_cache() {
        let (_folder, group) = group(&[
            (
                "cpu.stat",
                "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 9\nnr_throttled 2\nthrottled_usec 7\n",
            ),
            ("memory.stat", "anon 4096\nfile 12288\ninactive_file 8192\npgfault 5\npgmajfault 1\n"),
            ("memory.current", "20480\n"),
            ("memory.max", "max\n"),
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
        ]);
        let metrics = collect_version_2(&group).unwrap();
        let usage = &metrics.cpu.usage;
        assert_eq!((usage.total, usage.user, usage.kernel), (1_500_000, 1_000_000, 500_000));
        let throttling = &metrics.cpu.throttling;
        assert_eq!((throttling.periods, throttling.throttled_periods, throttling.throttled_time), (9, 2, 7000));
        let memory = &metrics.memory;
        assert_eq!((memory.usage.usage, memory.total_inactive_file, memory.total_rss), (20480, 8192, 4096));
        assert_eq!((memory.usage.limit, memory.hierarchical_memory_limit), (u64::MAX, u64::MAX));
        assert_eq!((memory.total_pg_fault, memory.total_pg_maj_fault), (5, 1));
        assert_eq!((metrics.pids.current, metrics.pids.limit), (3, 0));
    }

    #[test]
    fn version_1_has_the_cpu_time_from_its_own_controller() {
        let (_folder, group) = group(&[
            ("cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 7000\n"),
            ("cpuacct.usage", "1500000\n"),
            ("cpuacct.stat", "user 3\nsystem 2\n"),
            ("memory.stat", "cache 1\ntotal_inactive_file 8192\ntotal_rss 4096\nhierarchical_memory_limit 99\n"),
            ("memory.usage_in_bytes", "20480\n"),
            ("memory.limit_in_bytes", "99\n"),
        ]);
        let metrics = collect_version_1(&group, &group, &group, None).unwrap();
        let usage = &metrics.cpu.usage;
        assert_eq!((usage.total, usage.user, usage.kernel), (1_500_000, 30_000_000, 20_000_000));
        assert_eq!(metrics.cpu.throttling.throttled_time, 7000);
        let memory = &metrics.memory;
        assert_eq!((memory.usage.usage, memory.total_inactive_file, memory.total_rss), (20480, 8192, 4096));
        assert_eq!((memory.usage.limit, memory.hierarchical_memory_limit), (99, 99));
        assert!(metrics.pids.is_none());
    }
}
