//! Forks processes from a process that never has a second thread. libcontainer forks in them, which is safe only without threads.

use std::os::fd::RawFd;
use std::sync::OnceLock;

use anyhow::Result;
use zygote::Zygote;

use crate::descriptors;
use crate::ipc::{from_reply, to_reply};

/// The root of all forks gets its orders by a pipe from the shim. This is the root's end, which each fork inherits.
static PIPE_OF_ROOT: OnceLock<Vec<RawFd>> = OnceLock::new();

/// Forks the root of all forks. To be called before there is a second thread.
///
/// `foreign` are the descriptors that only the shim needs. All others stay open in all forks.
///
/// # Errors
/// The new process cannot close the descriptors of the shim.
pub fn init(foreign: Vec<RawFd>) -> Result<()> {
    let shared = descriptors::opened()?;
    Zygote::init();
    let leave = |(foreign, shared): (Vec<RawFd>, Vec<RawFd>)| to_reply(leave_shim(&foreign, &shared));
    from_reply(Zygote::global().try_run(leave, (foreign, shared)))
}

/// A new process, which ends when it is dropped.
///
/// # Errors
/// It cannot close the pipe of the root.
pub fn spawn() -> Result<Zygote> {
    let process = Zygote::global().spawn();
    from_reply(process.try_run(|()| to_reply(leave_root()), ()))?;
    Ok(process)
}

fn leave_shim(foreign: &[RawFd], shared: &[RawFd]) -> Result<()> {
    let pipe = descriptors::opened()?.into_iter().filter(|descriptor| !shared.contains(descriptor)).collect();
    PIPE_OF_ROOT.get_or_init(|| pipe);
    // SAFETY: no code that runs in this process uses these descriptors.
    unsafe { descriptors::close_where(|descriptor| foreign.contains(&descriptor)) }
}

fn leave_root() -> Result<()> {
    let pipe = PIPE_OF_ROOT.get().expect("the root knows its pipe before it forks");
    // SAFETY: only the root reads from this pipe; the process has a pipe of its own.
    unsafe { descriptors::close_where(|descriptor| pipe.contains(&descriptor)) }
}
