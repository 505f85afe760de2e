//! What the kernel ended in a container for want of memory: the kubelet's reason `OOMKilled`. Without it the container ended
//! with 137, and nobody is told why.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted, and in version 1 those that limit memory.
const VERSION_2: &str = "/sys/fs/cgroup";
const VERSION_1: &str = "/sys/fs/cgroup/memory";

/// The kernel's count for one container, to be read once its process has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct OomKills(Option<PathBuf>);

impl OomKills {
    /// Of the container whose process `pid` is alive: later nobody knows its cgroup.
    pub fn of(pid: i32) -> Self {
        Self::find(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default())
    }

    /// By what cgroups(7) says of `/proc/PID/cgroup`: `NUMBER:CONTROLLERS:PATH`, without controllers in version 2.
    fn find(cgroups: &str) -> Self {
        let path = |wanted: fn(&str) -> bool| {
            cgroups.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                wanted(controllers).then(|| path.trim_start_matches('/'))
            })
        };
        let file = match path(|controllers| controllers.split(',').any(|name| name == "memory")) {
            Some(path) => Some(Path::new(VERSION_1).join(path).join("memory.oom_control")),
            None => path(str::is_empty).map(|path| Path::new(VERSION_2).join(path).join("memory.events")),
        };
        Self(file)
    }

    /// Whether there were any; not where the cgroup is gone, as when systemd was quicker than we.
    pub fn any(&self) -> bool {
        let text = self.0.as_ref().and_then(|file| fs::read_to_string(file).ok());
        text.is_some_and(|text| count(&text) > 0)
    }
}

/// Both files have it on a line `oom_kill NUMBER`.
fn count(text: &str) -> u64 {
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cgroups: &str) -> Option<String> {
        OomKills::find(cgroups).0.map(|file| file.display().to_string())
    }

    #[test]
    fn the_count_is_where_the_memory_is_limited() {
        let version_1 = "4:memory:/kubepods/c1\n3:cpu,cpuacct:/kubepods/c1\n0::/elsewhere\n";
        assert_eq!(found(version_1).unwrap(), "/sys/fs/cgroup/memory/kubepods/c1/memory.oom_control");
        assert_eq!(found("0::/kubepods/c1\n").unwrap(), "/sys/fs/cgroup/kubepods/c1/memory.events");
        assert_eq!(found(""), None);
        assert!(!OomKills(None).any());
    }

    #[test]
    fn kills_are_counted_not_shortages() {
        assert_eq!(count("oom_kill_disable 0\nunder_oom 1\noom_kill 0\n"), 0);
        assert_eq!(count("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), 2);
    }
}
