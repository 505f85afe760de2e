//! Detects out-of-memory kills while a container runs, so that the kubelet reports `OOMKilled`. After its end it may be too late:
//! systemd removes the control group, and may be faster than the shim. Then the pod's count tells.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::cgroup::Membership;

/// More than either file has: 7 lines with version 2.
const LENGTH: usize = 1024;

/// The kernel's count for one container.
pub struct OomKills {
    /// It has a line with the count. It can be read as long as the control group is there.
    file: File,
    /// The same of the control group around it, which is the pod's and has the kills of all its containers. Version 2 has it.
    pods: Option<File>,
    /// Can be read from after a change of either: of inotify(7) with version 2, an eventfd(2) with version 1.
    changes: OwnedFd,
    /// How many were told.
    told: u64,
    /// How many the pod had then.
    pods_then: u64,
}

impl OomKills {
    /// For the container of the process `pid`, which must be alive: later its control group cannot be found.
    ///
    /// # Errors
    /// It is in no control group for memory, or the kernel does not watch it.
    pub fn for_process(pid: i32) -> Result<Self> {
        let membership = Membership::for_process(pid)?;
        match membership.version_1("memory") {
            Some(group) => Self::for_version_1(&group),
            None => Self::for_version_2(&membership.version_2().context("there is no control group for memory")?),
        }
    }

    fn for_version_1(group: &Path) -> Result<Self> {
        let path = group.join("memory.oom_control");
        let file = File::open(&path).with_context(|| format!("cannot open `{}`", path.display()))?;
        let changes = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let request = format!("{} {}", changes.as_raw_fd(), file.as_raw_fd());
        fs::write(group.join("cgroup.event_control"), request).context("cannot watch the control group for memory")?;
        Ok(Self { file, pods: None, changes, told: 0, pods_then: 0 })
    }

    fn for_version_2(group: &Path) -> Result<Self> {
        let path = group.join("memory.events");
        let file = File::open(&path).with_context(|| format!("cannot open `{}`", path.display()))?;
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&changes, &path, WatchFlags::MODIFY).context("cannot watch the control group for memory")?;
        // The root of all groups has no such file.
        let around = group.parent().map(|around| around.join("memory.events")).filter(|path| path.exists());
        let pods = around.and_then(|path| {
            inotify::add_watch(&changes, &path, WatchFlags::MODIFY).ok()?;
            File::open(path).ok()
        });
        let pods_then = pods.as_ref().and_then(count).unwrap_or_default();
        Ok(Self { file, pods, changes, told: 0, pods_then })
    }

    /// Whether there were kills since the last call.
    pub fn any_new(&mut self) -> bool {
        // What changed is read from the file; only that something did is known from here.
        while rustix::io::read(&self.changes, &mut [0; LENGTH]).is_ok_and(|length| length > 0) {}
        let pods_now = self.pods.as_ref().and_then(count).unwrap_or_default();
        let Some(now) = count(&self.file) else {
            // The control group is gone. What the pod has more than the last time is the container's: for another one's kill there
            // was a change, and a look at both.
            return std::mem::replace(&mut self.pods_then, pods_now) < pods_now;
        };
        self.pods_then = pods_now;
        std::mem::replace(&mut self.told, now) < now
    }
}

impl AsFd for OomKills {
    /// Can be read from when [`Self::any_new`] has to look.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

/// The number in the line `oom_kill NUMBER`, which the files of both versions have. None if the control group is gone.
fn count(file: &File) -> Option<u64> {
    let mut text = [0; LENGTH];
    let length = file.read_at(&mut text, 0).ok()?;
    let text = String::from_utf8_lossy(&text[..length]);
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    Some(number.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_kills_are_counted() {
        let count = |text: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            super::count(&file)
        };
        assert_eq!(count("oom_kill_disable 0\nunder_oom 1\noom_kill 0\n"), Some(0));
        assert_eq!(count("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
    }

    #[test]
    fn a_kill_is_told_once() {
        let pod = tempfile::tempdir().unwrap();
        let group = pod.path().join("container");
        fs::create_dir(&group).unwrap();
        let write = |group: &Path, text: &str| fs::write(group.join("memory.events"), text).unwrap();
        write(&group, "oom_kill 0\n");
        write(pod.path(), "oom_kill 5\n");
        let mut kills = OomKills::for_version_2(&group).unwrap();
        assert!(!kills.any_new());
        write(&group, "max 7\noom_kill 0\n");
        assert!(!kills.any_new());
        write(&group, "max 7\noom_kill 1\n");
        write(pod.path(), "oom_kill 6\n");
        assert!(kills.any_new());
        assert!(!kills.any_new());
    }

    #[test]
    fn the_pods_count_tells_when_the_containers_is_gone() {
        let pod = tempfile::tempdir().unwrap();
        let group = pod.path().join("container");
        fs::create_dir(&group).unwrap();
        fs::write(group.join("memory.events"), "oom_kill 0\n").unwrap();
        let pods = pod.path().join("memory.events");
        fs::write(&pods, "oom_kill 5\n").unwrap();
        let mut kills = OomKills::for_version_2(&group).unwrap();
        // A neighbour's.
        fs::write(&pods, "oom_kill 6\n").unwrap();
        assert!(!kills.any_new());
        // A folder cannot be read, and neither can a file of a control group that was removed.
        kills.file = File::open(&group).unwrap();
        assert!(!kills.any_new());
        fs::write(&pods, "oom_kill 7\n").unwrap();
        assert!(kills.any_new());
        assert!(!kills.any_new());
    }
}
