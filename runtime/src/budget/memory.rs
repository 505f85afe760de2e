//! How much memory this process may take: the limits of its control groups, and the machine's memory.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The least of all limits that hold for this process, bytes: those of its control group and of each above it (cgroups(7), of version 1
/// and 2), and the machine's memory.
#[must_use]
pub fn available() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    least(Path::new(CGROUPS), &groups).into_iter().chain(machine).min().unwrap_or(u64::MAX)
}

/// `MemTotal` of /proc/meminfo, bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok().map(|kib: u64| kib << 10)
}

/// The least limit of the groups that /proc/self/cgroup names.
fn least(mount: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (mount, file) = match controllers {
            // Version 2; beside version 1 it is mounted in a folder of its own.
            "" => (mount.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => (mount.join("memory"), "memory.limit_in_bytes"),
            _ => return None,
        };
        at_or_above(&mount, path, file)
    });
    limits.min()
}

/// The least limit of the group at `path` and of the groups above. In a container the path may be the node's, which is not there: then
/// the mount itself is the container's group.
fn at_or_above(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let path = PathBuf::from(path.trim_start_matches('/'));
    path.ancestors().filter_map(|group| limit(&mount.join(group).join(file))).min()
}

/// The limit in that file; none for `max`, or for the number that means the same in version 1.
fn limit(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.trim().parse().ok().filter(|&bytes: &u64| bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn the_least_limit_from_the_own_group_up_counts() {
        let two =
            tree(&[("pods/memory.max", "1000\n"), ("pods/a/memory.max", "max\n"), ("pods/a/b/memory.max", "2000\n")]);
        assert_eq!(least(two.path(), "0::/pods/a/b\n"), Some(1000));
        let one = tree(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/pods/a/memory.limit_in_bytes", "3000\n"),
        ]);
        assert_eq!(least(one.path(), "5:cpu,cpuacct:/other\n4:memory:/pods/a\n0::/\n"), Some(3000));
    }

    #[test]
    fn in_a_container_the_mount_is_the_own_group() {
        let two = tree(&[("memory.max", "1000\n")]);
        assert_eq!(least(two.path(), "0::/\n"), Some(1000));
        let one = tree(&[("memory/memory.limit_in_bytes", "1000\n")]);
        assert_eq!(least(one.path(), "4:memory:/kubepods/podx/y\n"), Some(1000));
    }

    #[test]
    fn without_a_limit_the_machine_counts() {
        let none = tree(&[("memory.max", "max\n")]);
        assert_eq!(least(none.path(), "0::/\n"), None);
        assert_eq!(least(none.path(), ""), None);
        assert_eq!(total("MemTotal:       24683520 kB\nMemFree: 1 kB\n"), Some(24_683_520 << 10));
        assert!((1 << 20..1 << 50).contains(&available()), "{}", available());
    }
}
