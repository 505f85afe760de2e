//! The server: one thread per core, each with its own listener and executor, so that a request never changes threads.

mod listener;

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Code;
use crate::connection::Connections;
use crate::guest::Guest;
use crate::manifest::Manifest;
use crate::options::Options;
use crate::service::Service;
use crate::variables::Variables;
use crate::{engine, tls};
use listener::Listener;

/// An application, loaded and bound to its address, not yet serving.
pub struct Server {
    address: SocketAddr,
    listeners: Vec<Listener>,
    connections: Connections,
    drain_timeout: Duration,
}

/// A server at work.
pub struct Running {
    threads: Vec<JoinHandle<Result<usize>>>,
}

impl Server {
    /// Compiles and links the application, then binds the address.
    ///
    /// # Errors
    /// The component is not there, is none, or imports what this runtime does not have; the TLS files or the address are no good.
    pub fn bind(manifest: &Manifest, variables: Variables, options: &Options, code: Code<'_>) -> Result<Self> {
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let instance = engine::load(manifest, &options.limits, code)?;
        let (address, listeners) = listener::open(&options.listen, options.threads.get())?;
        let service = Service {
            guest: Guest::new(instance, variables, &options.limits, &options.timeouts),
            name: manifest.name.as_str().into(),
            version: manifest.version.as_str().into(),
            read_timeout: options.timeouts.read,
            tasks: TaskTracker::new(),
        };
        let draining = CancellationToken::new();
        let connections = Connections { service, tls, read_timeout: options.timeouts.read, draining };
        Ok(Self { address, listeners, connections, drain_timeout: options.timeouts.drain })
    }

    /// The address, with the port that was free where port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What makes the server drain when it is cancelled: it stops accepting, finishes what runs, and ends.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.connections.draining.clone()
    }

    /// How long a drain may take.
    #[must_use]
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// Starts serving.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(self) -> Result<Running> {
        let threads = self.listeners.into_iter().map(|listener| {
            let mut connections = self.connections.clone();
            // Counted by thread: a thread ends when its own connections have.
            connections.service.tasks = TaskTracker::new();
            let drain_timeout = self.drain_timeout;
            let thread = thread::Builder::new().name("httpserver".to_owned());
            thread.spawn(move || serve(listener, connections, drain_timeout)).context("cannot start a thread")
        });
        Ok(Running { threads: threads.collect::<Result<_>>()? })
    }
}

impl Running {
    /// Waits for the end of the drain. Gives the number of connections that did not end in time and were cut.
    ///
    /// # Errors
    /// A thread failed.
    pub fn join(self) -> Result<usize> {
        let cut =
            self.threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a serving thread panicked"))?);
        cut.sum()
    }
}

/// One thread's work. Gives the number of connections that were cut.
fn serve(listener: Listener, connections: Connections, drain_timeout: Duration) -> Result<usize> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start an executor")?;
    runtime.block_on(async {
        let accepted = listener.accept(&connections.draining, |stream, peer| connections.spawn(stream, peer));
        accepted.await.context("cannot watch the listener")?;
        let tasks = connections.service.tasks;
        tasks.close();
        Ok(timeout(drain_timeout, tasks.wait()).await.map_or_else(|_| tasks.len(), |()| 0))
    })
}
