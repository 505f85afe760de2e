//! A process by a descriptor of the kernel (pidfd_open(2)): it never means another process, as a number may.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The signals of Linux (signal(7)): the standard ones, then the real-time ones, which `STOPSIGNAL` of an image may name, too.
pub const SIGNALS: std::ops::RangeInclusive<u32> = 1..=64;

/// SIGKILL, as [`Process::send`] takes it.
pub const SIGKILL: u32 = libc::SIGKILL.cast_unsigned();

/// A process, which may have ended.
pub struct Process {
    pid: i32,
    descriptor: OwnedFd,
}

impl Process {
    /// The process that has this number now.
    ///
    /// # Errors
    /// There is none, or there is no descriptor left.
    pub fn open(pid: i32) -> io::Result<Self> {
        let number = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { pid, descriptor: pidfd_open(number, PidfdFlags::empty())? })
    }

    /// Its number, which may be that of another process after its end.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends it a signal of [`SIGNALS`].
    ///
    /// # Errors
    /// The process has ended, or the kernel has no such signal.
    pub fn send(&self, signal: u32) -> io::Result<()> {
        let signal = signal.cast_signed();
        let info = ptr::null::<libc::siginfo_t>();
        // SAFETY: the kernel reads no memory of this process, since there is no `info`. rustix knows no real-time signals.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.descriptor.as_raw_fd(), signal, info, 0) };
        if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        let mut events = [PollFd::new(&self.descriptor, PollFlags::IN)];
        poll(&mut events, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Process {
    /// Can be read from when the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The name of the process `pid` and the kernel's function in which it waits, for a message about a process that hangs.
pub fn describe(pid: i32) -> String {
    let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    format!("`{}` in `{}`", read("comm").trim(), read("wchan").trim())
}

/// The processes whose group is `group`.
pub fn in_group(group: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter(|&pid| group_of(pid) == Some(group)).collect()
}

/// The third field after the name, which is in brackets and may contain anything (proc(5)).
fn group_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_real_time_signal_ends_a_process() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::open(child.id().cast_signed()).unwrap();
        assert!(!process.has_ended());
        // SIGRTMIN+3, with which systemd is asked to halt.
        process.send(37).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(37));
        assert!(process.has_ended());
    }

    #[test]
    fn a_process_that_was_reaped_gets_no_signal() {
        let mut child = Command::new("true").spawn().unwrap();
        let process = Process::open(child.id().cast_signed()).unwrap();
        child.wait().unwrap();
        assert_eq!(process.send(15).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }

    #[test]
    fn the_processes_of_a_group_are_found_and_described() {
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let pid = child.id().cast_signed();
        assert_eq!(in_group(pid), [pid]);
        assert!(describe(pid).starts_with("`sleep` in `"), "{}", describe(pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
