//! Detects out-of-memory kills, so that the kubelet reports `OOMKilled`. Without that, a container ends with 137 and no reason.

use std::fs;
use std::path::PathBuf;

use crate::cgroup::Membership;

/// The kernel's count for one container. It is read after the container's process has ended.
pub struct OomKills(Option<PathBuf>);

impl OomKills {
    /// For the container of the process `pid`, which must be alive: later its cgroup cannot be found.
    pub fn for_process(pid: i32) -> Self {
        let Ok(membership) = Membership::for_process(pid) else { return Self(None) };
        let version_1 = membership.version_1("memory").map(|group| group.join("memory.oom_control"));
        Self(version_1.or_else(|| Some(membership.version_2()?.join("memory.events"))))
    }

    /// Whether there were any. If systemd has removed the cgroup already, this is false.
    pub fn any(&self) -> bool {
        let text = self.0.as_ref().and_then(|file| fs::read_to_string(file).ok());
        text.is_some_and(|text| count(&text) > 0)
    }
}

/// Both files have a line `oom_kill NUMBER`.
fn count(text: &str) -> u64 {
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kills_are_counted() {
        assert_eq!(count("oom_kill_disable 0\nunder_oom 1\noom_kill 0\n"), 0);
        assert_eq!(count("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), 2);
    }
}
