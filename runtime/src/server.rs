//! The server: one thread per core, each with its own listener and executor. A request stays on its thread.

mod listener;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::budget::files;
use crate::connection::Connections;
use crate::guest::Guest;
use crate::options::Options;
use crate::tls;
use listener::Listener;

/// A server that is bound to its address and does not serve yet.
pub struct Server {
    address: SocketAddr,
    listeners: Vec<Listener>,
    connections: Connections,
    draining: CancellationToken,
    drain_timeout: Duration,
}

/// A server that serves.
pub(crate) struct Running {
    /// Gives the number of connections that did not end in time.
    ended: JoinHandle<Result<usize>>,
    draining: CancellationToken,
    pub(crate) drain_timeout: Duration,
}

impl Server {
    /// Reads the TLS files, then binds the address.
    ///
    /// # Errors
    /// The TLS files or the address cannot be used.
    pub fn bind(options: &Options, guest: Guest) -> Result<Self> {
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let threads = options.threads.get();
        let (address, listeners) = listener::open(&options.listen, threads, options.timeouts.read)?;
        let draining = CancellationToken::new();
        // The kernel distributes them evenly.
        let most = (files::room(options.budget.connections) as usize / threads).max(1);
        let connections = Connections::new(guest, tls, options, most, draining.clone());
        Ok(Self { address, listeners, connections, draining, drain_timeout: options.timeouts.drain })
    }

    /// The address; if port 0 was wanted, with the port that was free.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts serving. Called within a tokio runtime.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn start(self) -> Result<Running> {
        let Self { listeners, connections, draining, drain_timeout, .. } = self;
        let threads = listeners.into_iter().map(|listener| {
            let connections = connections.for_thread();
            let thread = thread::Builder::new().name("httpserver".to_owned());
            thread.spawn(move || serve(listener, connections, drain_timeout)).context("cannot start a thread")
        });
        let threads = threads.collect::<Result<Vec<_>>>()?;
        let ended = spawn_blocking(|| {
            let cut = threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("a serving thread panicked")).flatten());
            cut.sum()
        });
        Ok(Running { ended, draining, drain_timeout })
    }
}

impl Running {
    /// Begins the drain: the server accepts no more connections and finishes what runs.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    /// Waits until the server has ended: at the end of the drain, or when a thread fails.
    ///
    /// # Errors
    /// A thread failed, or connections did not end within the time of the drain and were cut.
    pub(crate) async fn join(&mut self) -> Result<()> {
        match (&mut self.ended).await?? {
            0 => Ok(()),
            cut => bail!("{cut} connections did not end within {:?} and were cut", self.drain_timeout),
        }
    }
}

/// The work of one thread. Returns the number of connections that were cut.
fn serve(listener: Listener, connections: Connections, drain_timeout: Duration) -> Result<usize> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start an executor")?;
    runtime.block_on(async {
        let serve = |stream, peer, seat| connections.spawn(stream, peer, seat);
        let accepted = listener.accept(&connections.seats, serve);
        accepted.await.context("cannot watch the listener")?;
        Ok(connections.finish(drain_timeout).await)
    })
}
