//! The server: one thread per core, each with its own executor. All accept from one socket; a request stays on its thread.

mod listener;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio_util::sync::CancellationToken;

use crate::connection::Connections;
use crate::event::Event;
use crate::guest::Guest;
use crate::metrics::{self, Metrics};
use crate::observation::Observers;
use crate::options::{Listen, Options};
use crate::telemetry::{self, Telemetry};
use crate::tls;
use listener::Listener;

/// A server that is bound to its address and does not serve yet.
pub struct Server {
    address: SocketAddr,
    listeners: Vec<Listener>,
    connections: Connections,
    draining: CancellationToken,
    drain_timeout: Duration,
    telemetry: Option<Telemetry>,
    /// Where metrics are served.
    page: Option<(metrics::Listener, &'static Metrics)>,
}

/// A server that serves.
pub(crate) struct Running {
    /// The threads that have not ended.
    threads: usize,
    /// The connections that did not end in time.
    cut: usize,
    draining: CancellationToken,
    pub(crate) drain_timeout: Duration,
    /// What sends telemetry, if there is any.
    pub(crate) telemetry: Option<Telemetry>,
}

impl Server {
    /// Reads the TLS files, then binds the addresses. What sends telemetry runs from now on.
    ///
    /// # Errors
    /// The TLS files or an address cannot be used, or the thread that sends telemetry cannot be started.
    pub fn bind(options: &Options, guest: Guest) -> Result<Self> {
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let (address, listeners) = listener::open(&options.listen, options.threads.get(), options.timeouts.read)?;
        let draining = CancellationToken::new();
        let most = guest.budget.connections as usize;
        let guest = Arc::new(guest);
        let page = options.metrics.map(|address| {
            // A socket is inherited by a server that takes the place of another one, which may still drain.
            metrics::Listener::bind(address, matches!(options.listen, Listen::Inherited(_)))
        });
        let page = page.transpose()?;
        let sends_metrics = options.telemetry.as_ref().is_some_and(telemetry::Settings::sends_metrics);
        let metrics =
            (page.is_some() || sends_metrics).then(|| Metrics::new(guest.clone(), most as u64, draining.clone()));
        let start = |settings| Telemetry::start(settings, &guest.name, &guest.version, metrics);
        let telemetry = options.telemetry.clone().map(start).transpose()?;
        let observers =
            Observers::new(metrics.map(Metrics::observer), telemetry.as_ref().and_then(Telemetry::observer));
        let connections = Connections::new(guest, tls, options, most, draining.clone(), observers);
        let drain_timeout = options.timeouts.drain;
        Ok(Self { address, listeners, connections, draining, drain_timeout, page: page.zip(metrics), telemetry })
    }

    /// The address; if port 0 was wanted, with the port that was free.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts serving. Each thread reports its end to `events`.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn start(self, events: &Sender<Event>) -> Result<Running> {
        let Self { listeners, connections, draining, drain_timeout, page, telemetry, .. } = self;
        if let Some((listener, metrics)) = page {
            listener.start(metrics)?;
        }
        let threads = listeners.len();
        for listener in listeners {
            let connections = connections.for_thread();
            start_thread(events.clone(), move || serve(listener, connections, drain_timeout))?;
        }
        Ok(Running { threads, cut: 0, draining, drain_timeout, telemetry })
    }
}

impl Running {
    /// Begins the drain: the server accepts no more connections and finishes what runs.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    /// A thread has ended. Returns how the server has ended: with its last thread, or with the first one that failed.
    pub(crate) fn ended(&mut self, thread: Result<usize>) -> Option<Result<()>> {
        self.threads -= 1;
        match thread {
            Err(error) => return Some(Err(error)),
            Ok(cut) => self.cut += cut,
        }
        (self.threads == 0).then(|| match self.cut {
            0 => Ok(()),
            cut => Err(anyhow!("{cut} connections did not end within {:?} and were cut", self.drain_timeout)),
        })
    }
}

/// Starts a serving thread, which reports its end: also a panic, which must not leave a server with a part of its threads.
fn start_thread(events: Sender<Event>, work: impl FnOnce() -> Result<usize> + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name("httpserver".to_owned());
    let report = move || {
        let ended = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(anyhow!("a serving thread panicked")));
        // Nobody listens if another thread failed first.
        let _ = events.send(Event::ThreadEnded(ended));
    };
    thread.spawn(report).map(drop).context("cannot start a thread")
}

/// The work of one thread. Returns the number of connections that were cut.
fn serve(listener: Listener, connections: Connections, drain_timeout: Duration) -> Result<usize> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start an executor")?;
    runtime.block_on(async {
        let serve = |stream, peer, seat| connections.spawn(stream, peer, seat);
        let not_accepted = || connections.not_accepted();
        let accepted = listener.accept(&connections.seats, serve, not_accepted);
        accepted.await.context("cannot watch the listener")?;
        Ok(connections.finish(drain_timeout).await)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// How a server with these threads ends.
    fn end<const N: usize>(threads: [Box<dyn FnOnce() -> Result<usize> + Send>; N]) -> Result<()> {
        let (sender, events) = mpsc::channel();
        let mut running = Running {
            threads: N,
            cut: 0,
            draining: CancellationToken::new(),
            drain_timeout: Duration::from_secs(1),
            telemetry: None,
        };
        threads.into_iter().for_each(|work| start_thread(sender.clone(), work).unwrap());
        loop {
            match events.recv_timeout(Duration::from_secs(20)).expect("the server ends") {
                Event::ThreadEnded(ended) => {
                    if let Some(end) = running.ended(ended) {
                        return end;
                    }
                }
                Event::Signal(_) => panic!("nobody sends one"),
            }
        }
    }

    #[test]
    fn the_first_thread_that_fails_ends_the_server_whichever_it_is() {
        let (_held, never) = mpsc::channel::<()>();
        let serves = move || Ok(never.recv().map_or(0, |()| 0));
        let error = end([Box::new(serves), Box::new(|| panic!("a defect"))]).unwrap_err();
        assert_eq!(error.to_string(), "a serving thread panicked");
    }

    #[test]
    fn a_server_has_ended_with_its_last_thread() {
        end([Box::new(|| Ok(0)), Box::new(|| Ok(0))]).unwrap();
        let error = end([Box::new(|| Ok(2)), Box::new(|| Ok(1))]).unwrap_err();
        assert_eq!(error.to_string(), "3 connections did not end within 1s and were cut");
    }
}
