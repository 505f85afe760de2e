//! How a container's process ended.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result};
use containerd_shim::monitor::{ExitEvent, Subject, Subscription, Topic, monitor_subscribe};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tokio::io::unix::AsyncFd;

/// How long the reaper may take to tell what it reaped.
const REAPER: Duration = Duration::from_secs(2);

/// Watches a process.
pub struct Exit {
    pid: i32,
    process: OwnedFd,
    /// The shim reaps all children: where it came first, it has the exit code.
    reaped: Subscription,
}

impl Exit {
    /// Watches `pid`, a child that has not been waited for.
    pub fn of(pid: i32) -> Result<Self> {
        let reaped = monitor_subscribe(Topic::Pid)?;
        let process = Pid::from_raw(pid).ok_or(Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK));
        Ok(Self { pid, process: process.with_context(|| format!("cannot watch process {pid}"))?, reaped })
    }

    /// Waits for the process to end: its exit code, or 128 and the signal that ended it, as shells count.
    pub async fn code(self) -> Result<u32> {
        // SAFETY: an `OwnedFd` is one and the same open file for as long as it exists.
        let process = unsafe { AsyncFd::register(self.process) }?;
        loop {
            match waitid(WaitId::PidFd(fd(&process)), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(None) => drop(process.readable().await?),
                Ok(Some(status)) => {
                    let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?));
                    return Ok(code.context("it neither exited nor was killed")?.cast_unsigned());
                }
                Err(Errno::CHILD) => return reaped_code(self.pid, self.reaped).await,
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }
}

fn fd(process: &AsyncFd<OwnedFd>) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(process.get_ref())
}

async fn reaped_code(pid: i32, reaped: Subscription) -> Result<u32> {
    let wait = move || {
        while let Ok(ExitEvent { subject, exit_code }) = reaped.rx.recv_timeout(REAPER) {
            if matches!(subject, Subject::Pid(ended) if ended == pid) {
                return Some(exit_code.cast_unsigned());
            }
        }
        None
    };
    tokio::task::spawn_blocking(wait).await?.context("it was reaped, and nobody said how it ended")
}
