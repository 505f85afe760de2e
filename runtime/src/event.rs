//! What ends a server: a signal, or its threads.

use anyhow::Result;
use nix::sys::signal::Signal;

/// What ends a server, or a part of it.
#[derive(Debug)]
pub(crate) enum Event {
    /// SIGTERM or SIGINT.
    Signal(Signal),
    /// A serving thread has ended, and had to cut that many connections; or it failed.
    ThreadEnded(Result<usize>),
}
