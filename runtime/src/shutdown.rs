//! Serves until a signal: the first SIGTERM or SIGINT drains the server, the second ends the process.

use std::process;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log;
use crate::server::Server;

/// Serves until a signal, then drains. `started` is called once the server serves, and all its threads are there.
///
/// # Errors
/// `started` fails, a thread cannot be started or failed, or connections did not end within the server's drain timeout and were cut.
pub fn run_until_signal(server: Server, started: impl FnOnce() -> Result<()>) -> Result<()> {
    let executor =
        tokio::runtime::Builder::new_current_thread().enable_io().build().context("cannot wait for signals")?;
    executor.block_on(async {
        // Before `started` tells anybody that there is a server to drain.
        let mut signals = Signals::new().context("cannot wait for signals")?;
        let mut running = server.start()?;
        started()?;
        tokio::select! {
            // A thread ends before the signal only if it failed.
            ended = running.join() => return ended,
            (name, _) = signals.next() => log::line(format_args!(
                "{name}: draining for at most {:?}; another signal ends the process at once", running.drain_timeout
            )),
        }
        running.drain();
        tokio::select! {
            ended = running.join() => ended,
            (name, signal) = signals.next() => {
                log::line(format_args!("{name}: ending at once"));
                process::exit(128 + signal.as_raw_value())
            }
        }
    })
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> (&'static str, SignalKind) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
        }
    }
}
