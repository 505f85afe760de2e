//! The file descriptors of the shim's processes. A process inherits every descriptor of the one that it was forked from; none but
//! the needed ones may be open in a process that meets what an image names.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use anyhow::{Context, Result, ensure};
use libcontainer::notify_socket::NOTIFY_FILE;
use rustix::fs::{Dir, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, open};
use rustix::net::{SocketAddrUnix, SocketType, getsockname, sockopt};

/// The first descriptor after stdin, stdout and stderr.
const FIRST: RawFd = 3;

/// The open descriptors of this process but stdin, stdout and stderr.
///
/// # Errors
/// `/proc` does not tell.
pub fn opened() -> Result<Vec<RawFd>> {
    const PATH: &str = "/proc/self/fd";
    let folder = open_proc(PATH)?;
    let list = || -> rustix::io::Result<Vec<RawFd>> {
        let own = folder.as_raw_fd();
        let mut found = Vec::new();
        for entry in Dir::new(folder)? {
            // `.` and `..` are no numbers.
            let number = entry?.file_name().to_str().ok().and_then(|name| name.parse::<RawFd>().ok());
            found.extend(number.filter(|&number| number >= FIRST && number != own));
        }
        Ok(found)
    };
    list().with_context(|| format!("cannot read {PATH}"))
}

/// Opens what the kernel itself says below `/proc`: a pod may have mounted something else there, which says what it likes.
///
/// # Errors
/// It cannot be opened, or is not the kernel's.
pub fn open_proc(path: &str) -> Result<OwnedFd> {
    let file = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
    let file = file.with_context(|| format!("cannot open {path}"))?;
    let kind = fstatfs(&file).with_context(|| format!("cannot look at {path}"))?.f_type;
    ensure!(kind == PROC_SUPER_MAGIC, "{path} is not the kernel's: something else is mounted there");
    Ok(file)
}

/// Closes those of [`opened`] that `is_foreign` picks.
///
/// # Safety
/// Nothing in this process may use them any more, nor close them again.
///
/// # Errors
/// As [`opened`]; nothing is closed then.
pub unsafe fn close_where(is_foreign: impl Fn(RawFd) -> bool) -> Result<()> {
    for descriptor in opened()?.into_iter().filter(|&descriptor| is_foreign(descriptor)) {
        // SAFETY: the caller's promise.
        unsafe { rustix::io::close(descriptor) };
    }
    Ok(())
}

/// Whether libcontainer needs it until the container starts: an end of one of the channels between its processes, or the socket
/// on which the container's process waits for its start.
pub fn is_libcontainers(descriptor: RawFd) -> bool {
    // SAFETY: it is only asked what it is; if it is closed by now, the answer is an error.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    match sockopt::socket_type(descriptor) {
        Ok(SocketType::SEQPACKET) => true,
        Ok(SocketType::STREAM) => {
            let name = getsockname(descriptor).ok().and_then(|name| SocketAddrUnix::try_from(name).ok());
            name.is_some_and(|name| name.path_bytes().is_some_and(|path| path == NOTIFY_FILE.as_bytes()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::{UnixListener, UnixStream};

    use rustix::net::{AddressFamily, SocketFlags, socketpair};

    use super::*;

    #[test]
    fn all_is_listed_but_the_first_three() {
        let file = File::open("/dev/null").unwrap();
        let listed = opened().unwrap();
        assert!(listed.contains(&file.as_raw_fd()) && listed.iter().all(|&number| number > 2), "{listed:?}");
    }

    #[test]
    fn only_the_kernel_is_asked() {
        open_proc("/proc/self/status").unwrap();
        let error = open_proc("/dev/null").unwrap_err().to_string();
        assert_eq!(error, "/dev/null is not the kernel's: something else is mounted there");
    }

    #[test]
    fn what_libcontainer_needs_is_told_from_the_rest() {
        let channel = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        assert!(is_libcontainers(channel.0.as_raw_fd()));
        // As the pipes between the shim's processes and a connection to the system's message bus are.
        let connection = UnixStream::pair().unwrap();
        assert!(!is_libcontainers(connection.0.as_raw_fd()));
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("shim.sock")).unwrap();
        assert!(!is_libcontainers(listener.as_raw_fd()));
        assert!(!is_libcontainers(File::open("/dev/null").unwrap().as_raw_fd()));
    }
}
