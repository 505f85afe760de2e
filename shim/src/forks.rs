//! Forks processes from a process that never has a second thread. libcontainer forks in them, which is safe only without threads.

mod deadline;

use std::fs::File;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zygote::Zygote;

use crate::descriptors;
use crate::ipc::{from_reply, to_reply};
use crate::process::Process;
pub use deadline::Deadline;

/// The root of all forks gets its orders by a pipe from the shim. This is the root's end, which each fork inherits.
static PIPE_OF_ROOT: OnceLock<Vec<RawFd>> = OnceLock::new();

/// How many descriptors a fork takes in the shim, at most: its pipe, two for the process, and two while it sends a file.
const DESCRIPTORS: usize = 5;

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

/// A process without threads. It ends when this is dropped.
pub struct Fork {
    zygote: Zygote,
    process: Process,
}

/// A new process.
///
/// # Errors
/// There is no descriptor or no process left, or the root of all forks has ended.
pub fn spawn() -> Result<Fork> {
    // `zygote` panics if there is none left, and may lose its connection to the root then.
    let spare = (0..DESCRIPTORS).map(|_| File::open("/dev/null")).collect::<Result<Vec<_>, _>>();
    drop(spare.context("cannot fork: the shim has no file descriptor left; see its limit in /proc/PID/limits")?);
    let spawned = catch_unwind(AssertUnwindSafe(|| Zygote::global().spawn()));
    let zygote = spawned.map_err(|panic| {
        let reason = panic.downcast_ref::<String>().map_or("", |text| text.lines().next().unwrap_or_default());
        anyhow!("cannot fork: {reason}; see `pids.max` of the shim's control group, and `TasksMax` of containerd")
    })?;
    let pid = from_reply(zygote.try_run(|()| to_reply(leave_root()), ()))?;
    let process = Process::open(pid).context("the new process has ended")?;
    Ok(Fork { zygote, process })
}

impl Fork {
    /// Runs `act` in the process, and waits for what it returns.
    ///
    /// # Errors
    /// The process ended, or `act` panicked.
    pub fn try_run<A, T>(&self, act: fn(A) -> T, arguments: A) -> Result<T, zygote::Error>
    where
        A: Serialize + DeserializeOwned + 'static,
        T: Serialize + DeserializeOwned + 'static,
    {
        self.zygote.try_run(act, arguments)
    }
}

fn leave_shim(foreign: &[RawFd], shared: &[RawFd]) -> Result<()> {
    let pipe = descriptors::opened()?.into_iter().filter(|descriptor| !shared.contains(descriptor)).collect();
    PIPE_OF_ROOT.get_or_init(|| pipe);
    // SAFETY: no code that runs in this process uses these descriptors.
    unsafe { descriptors::close_where(|descriptor| foreign.contains(&descriptor)) }
}

/// Returns the number of this process.
fn leave_root() -> Result<i32> {
    let pipe = PIPE_OF_ROOT.get().expect("the root knows its pipe before it forks");
    // SAFETY: only the root reads from this pipe; the process has a pipe of its own.
    unsafe { descriptors::close_where(|descriptor| pipe.contains(&descriptor)) }?;
    // What it starts can be found, and killed together with it.
    rustix::process::setpgid(None, None).context("cannot make a group of processes")?;
    Ok(rustix::process::getpid().as_raw_nonzero().get())
}
