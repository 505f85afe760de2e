//! Processes of their own, forked from one that never had a thread: libcontainer forks too, which is safe only there.

use std::os::fd::RawFd;
use std::sync::OnceLock;

use anyhow::Result;
use zygote::Zygote;

use crate::descriptors;
use crate::ipc::{from_reply, to_reply};

/// In the root of all forks and so in each fork: the root's end of its pipe to the shim, by which it is told to fork.
static PIPE_OF_ROOT: OnceLock<Vec<RawFd>> = OnceLock::new();

/// Forks the root of all forks. To be called before there is a second thread.
///
/// `foreign` are the descriptors that the shim needs for itself alone. Whatever else is open stays so in all forks.
///
/// # Errors
/// The new process cannot close what is not its own.
pub fn init(foreign: Vec<RawFd>) -> Result<()> {
    let shared = descriptors::opened()?;
    Zygote::init();
    let leave = |(foreign, shared): (Vec<RawFd>, Vec<RawFd>)| to_reply(leave_shim(&foreign, &shared));
    from_reply(Zygote::global().try_run(leave, (foreign, shared)))
}

/// A new process, which ends when it is dropped.
///
/// # Errors
/// It cannot close what it does not need.
pub fn spawn() -> Result<Zygote> {
    let process = Zygote::global().spawn();
    from_reply(process.try_run(|()| to_reply(leave_root()), ()))?;
    Ok(process)
}

fn leave_shim(foreign: &[RawFd], shared: &[RawFd]) -> Result<()> {
    let pipe = descriptors::opened()?.into_iter().filter(|descriptor| !shared.contains(descriptor)).collect();
    PIPE_OF_ROOT.get_or_init(|| pipe);
    // SAFETY: this process runs only what it is told to, and nothing of that knows of them.
    unsafe { descriptors::close_where(|descriptor| foreign.contains(&descriptor)) }
}

fn leave_root() -> Result<()> {
    let pipe = PIPE_OF_ROOT.get().expect("the root knows its pipe before it forks");
    // SAFETY: only the root reads from it; this process has a pipe of its own.
    unsafe { descriptors::close_where(|descriptor| pipe.contains(&descriptor)) }
}
