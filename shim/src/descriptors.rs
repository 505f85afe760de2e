//! The file descriptors of the shim's processes. A process inherits every descriptor of the process that it was forked from. A
//! process that opens files of an image must have closed all descriptors that it does not need.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use anyhow::{Context, Result, ensure};
use libcontainer::notify_socket::NOTIFY_FILE;
use rustix::fs::{Dir, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, open};
use rustix::net::{SocketAddrUnix, SocketType, getsockname, sockopt};

/// The first descriptor after stdin, stdout and stderr.
const FIRST: RawFd = 3;

/// The open descriptors of this process, except stdin, stdout and stderr.
///
/// # Errors
/// `/proc` cannot be read.
pub fn opened() -> Result<Vec<RawFd>> {
    const PATH: &str = "/proc/self/fd";
    let folder = open_proc(PATH, OFlags::RDONLY)?;
    let list = || -> rustix::io::Result<Vec<RawFd>> {
        let own = folder.as_raw_fd();
        let mut found = Vec::new();
        for entry in Dir::new(folder)? {
            // `.` and `..` are not numbers.
            let number = entry?.file_name().to_str().ok().and_then(|name| name.parse::<RawFd>().ok());
            found.extend(number.filter(|&number| number >= FIRST && number != own));
        }
        Ok(found)
    };
    list().with_context(|| format!("cannot read {PATH}"))
}

/// Opens a file below `/proc` with this access, and checks that it is the kernel's: a pod may have mounted something else there.
///
/// # Errors
/// It cannot be opened, or it is not the kernel's.
pub fn open_proc(path: &str, access: OFlags) -> Result<OwnedFd> {
    let file = open(path, access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
    let file = file.with_context(|| format!("cannot open {path}"))?;
    let kind = fstatfs(&file).with_context(|| format!("cannot look at {path}"))?.f_type;
    ensure!(kind == PROC_SUPER_MAGIC, "{path} is not the kernel's: something else is mounted there");
    Ok(file)
}

/// Closes those of [`opened`] that `is_foreign` picks.
///
/// # Safety
/// Nothing in this process may use these descriptors afterwards, or close them again.
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

/// Whether libcontainer needs `descriptor` until the container starts: it is one end of a channel between libcontainer's
/// processes, or the socket on which the container's process waits for its start.
pub fn is_libcontainers(descriptor: RawFd) -> bool {
    // SAFETY: only its properties are read; if it is closed by now, that gives an error.
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
    fn every_open_descriptor_is_listed_except_the_first_three() {
        let file = File::open("/dev/null").unwrap();
        let listed = opened().unwrap();
        assert!(listed.contains(&file.as_raw_fd()) && listed.iter().all(|&number| number > 2), "{listed:?}");
    }

    #[test]
    fn a_file_that_is_not_the_kernels_is_refused() {
        open_proc("/proc/self/status", OFlags::RDONLY).unwrap();
        let error = open_proc("/dev/null", OFlags::RDONLY).unwrap_err().to_string();
        assert_eq!(error, "/dev/null is not the kernel's: something else is mounted there");
    }

    #[test]
    fn the_descriptors_of_libcontainer_are_recognised() {
        let channel = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        assert!(is_libcontainers(channel.0.as_raw_fd()));
        // The pipes between the shim's processes and a connection to the system's message bus are of this kind.
        let connection = UnixStream::pair().unwrap();
        assert!(!is_libcontainers(connection.0.as_raw_fd()));
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("shim.sock")).unwrap();
        assert!(!is_libcontainers(listener.as_raw_fd()));
        assert!(!is_libcontainers(File::open("/dev/null").unwrap().as_raw_fd()));
    }
}
