//! From a server that is ready to the end of its drain: the first SIGTERM or SIGINT drains, the second ends the process.

use std::process;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::log;
use crate::server::{Running, Server};

/// Serves until a signal, then drains. `started` is called once the server serves.
///
/// # Errors
/// A thread cannot be started or failed, or connections did not end within the server's drain timeout and were cut.
pub fn run_until_signal(server: Server, started: impl FnOnce()) -> Result<()> {
    let executor =
        tokio::runtime::Builder::new_current_thread().enable_io().build().context("cannot wait for signals")?;
    let (draining, timeout) = (server.draining(), server.drain_timeout());
    executor.block_on(async {
        // Before anybody is told that there is a server to drain.
        let signals = Signals::new().context("cannot wait for signals")?;
        let running = server.start()?;
        started();
        wait(running, draining, signals, timeout).await
    })
}

async fn wait(
    running: Running,
    draining: CancellationToken,
    mut signals: Signals,
    drain_timeout: Duration,
) -> Result<()> {
    let mut ended = tokio::task::spawn_blocking(move || running.join());
    tokio::select! {
        // A thread ends before the signal only if it failed.
        ended = &mut ended => return ended?.map(drop),
        name = signals.next() => log::line(format_args!(
            "{}: draining for at most {drain_timeout:?}; again to end at once", name.0
        )),
    }
    draining.cancel();
    tokio::select! {
        cut = ended => match cut?? {
            0 => Ok(()),
            cut => bail!("{cut} connections did not end within {drain_timeout:?} and were cut"),
        },
        second = signals.next() => {
            log::line(format_args!("{}: ending at once", second.0));
            process::exit(128 + second.1.as_raw_value())
        }
    }
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
