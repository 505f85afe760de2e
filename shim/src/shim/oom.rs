//! Detects out-of-memory kills, so that the kubelet reports `OOMKilled`. Without it a container ends with 137 and no reason.

use std::fs;
use std::path::PathBuf;

use crate::cgroup::Membership;

/// The kernel's count for one container, to be read once its process has ended.
pub struct OomKills(Option<PathBuf>);

impl OomKills {
    /// Of the container whose process `pid` is alive: later nobody knows its cgroup.
    pub fn for_process(pid: i32) -> Self {
        let Ok(membership) = Membership::for_process(pid) else { return Self(None) };
        let version_1 = membership.version_1("memory").map(|group| group.join("memory.oom_control"));
        Self(version_1.or_else(|| Some(membership.version_2()?.join("memory.events"))))
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

    #[test]
    fn kills_are_counted_not_shortages() {
        assert_eq!(count("oom_kill_disable 0\nunder_oom 1\noom_kill 0\n"), 0);
        assert_eq!(count("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), 2);
    }
}
