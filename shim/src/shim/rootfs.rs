//! The container's root file system. No device of an image can be opened through it, neither on the node nor in the container.

mod request;

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use containerd_shim::protos::api::Mount;
use libcontainer::syscall::linux::{AT_EMPTY_PATH, MOUNT_ATTR_NODEV, MountAttr};
use libcontainer::syscall::syscall::create_syscall;
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::UnmountFlags;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::forks::Deadline;
use crate::ipc::to_reply;
use request::Request;

/// The option of a mount in which no device can be opened (mount(8)).
const NODEV: &str = "nodev";

/// Mounts at `root` what containerd asks for, without devices.
///
/// # Errors
/// The folder cannot be made, something cannot be mounted, or the deadline is over.
pub fn mount(mounts: &[Mount], root: &Path, deadline: &Deadline) -> Result<()> {
    fs::create_dir_all(root).with_context(|| format!("cannot make `{}`", root.display()))?;
    let requests: Vec<_> = mounts.iter().map(|mount| Request::new(mount, root)).collect();
    if requests.is_empty() {
        return Ok(());
    }
    // A mount of a file system that a server has may hang, and a long one changes the current folder.
    let mount = |requests: Vec<Request>| to_reply(requests.into_iter().try_for_each(Request::mount));
    deadline.run(mount, requests, None).context("cannot mount the container's root")
}

/// Unmounts what [`mount`] mounted at `root`, if it did: containerd knows nothing of it while the container is not created.
pub fn unmount(mounts: &[Mount], root: &Path) {
    for _ in mounts {
        // If it was not mounted, that is what we want.
        let _ = rustix::mount::unmount(root, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    }
}

/// Sets `nodev` on the root of the container whose process is `pid`, and reads it back. libcontainer makes a mount of its own, which
/// loses the option if it is made read-only.
///
/// # Errors
/// The kernel refuses, the root still allows devices, or the deadline is over.
pub fn forbid_devices(pid: i32, deadline: &Deadline) -> Result<()> {
    // The process that enters the container's mount namespace does nothing else, and ends.
    let set = deadline.run(|pid| to_reply(set_nodev(pid)), pid, None);
    set.context("cannot mount the container's root without devices")?;
    let path = format!("/proc/{pid}/mountinfo");
    let mounts = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    ensure!(is_nodev(&mounts), "the container's root is not mounted with `{NODEV}`");
    Ok(())
}

fn set_nodev(pid: i32) -> Result<()> {
    let namespace = fs::File::open(format!("/proc/{pid}/ns/mnt"))?;
    // Its root becomes this process's, too.
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
    let root = open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let nodev = MountAttr { attr_set: MOUNT_ATTR_NODEV, attr_clr: 0, propagation: 0, userns_fd: 0 };
    Ok(create_syscall().mount_setattr(root.as_fd(), Path::new(""), AT_EMPTY_PATH, &nodev, size_of::<MountAttr>())?)
}

/// Each line is `NUMBER PARENT DEVICE ROOT MOUNT-POINT OPTIONS …` (proc(5)). If several mounts are at `/`, the last one is visible.
fn is_nodev(mountinfo: &str) -> bool {
    let mut mounts = mountinfo.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let root = mounts.rfind(|fields| fields.get(4) == Some(&"/"));
    root.is_some_and(|fields| fields.get(5).is_some_and(|options| options.split(',').any(|option| option == NODEV)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_at_the_root_counts() {
        let dev = "5 4 0:5 / /dev rw,nosuid - tmpfs tmpfs rw\n";
        let mount = |options: &str| format!("4 1 0:4 / / {options} - overlay overlay rw,nodev\n{dev}");
        assert!(is_nodev(&mount("ro,nodev,relatime")));
        assert!(!is_nodev(&mount("ro,relatime")));
        assert!(is_nodev(&(mount("rw") + &mount("rw,nodev"))));
        assert!(!is_nodev(&(mount("rw,nodev") + &mount("rw"))));
        assert!(!is_nodev(dev));
    }
}
