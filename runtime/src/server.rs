//! The server: one thread per core, each with its own listener and executor, so that a request never changes threads.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Code;
use crate::connection::Connections;
use crate::guest::Guest;
use crate::manifest::Manifest;
use crate::options::Options;
use crate::service::Service;
use crate::variables::Variables;
use crate::{engine, log, tls};

/// Connections that wait to be accepted, for each thread.
const BACKLOG: i32 = 1024;

/// The pause after a failed accept: out of file descriptors, say, which only time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An application, loaded and bound to its address, not yet serving.
pub struct Server {
    address: SocketAddr,
    listeners: Vec<TcpListener>,
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
        let (address, listeners) = listen(options.listen, options.threads.get()).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => {
                anyhow!("cannot listen on {}: another server has that address; stop it, or choose another with `--listen` or SPIN_HTTP_LISTEN_ADDR, port 0 for a free one", options.listen)
            }
            _ => anyhow!("cannot listen on {}: {error}; choose another address with `--listen` or SPIN_HTTP_LISTEN_ADDR", options.listen),
        })?;
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

/// One listener for each thread on the same address: the kernel shares new connections out among them.
fn listen(address: SocketAddr, threads: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    // SO_REUSEPORT lets a second server of the same user share the port unnoticed. A socket without it finds out.
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    let address = probe.local_addr()?.as_socket().unwrap_or(address);
    let listeners = (0..threads).map(|_| {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    });
    Ok((address, listeners.collect::<io::Result<_>>()?))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server can start again while connections of its predecessor are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// One thread's work. Gives the number of connections that were cut.
fn serve(listener: TcpListener, connections: Connections, drain_timeout: Duration) -> Result<usize> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start an executor")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).context("cannot watch the listener")?;
        accept(&listener, &connections).await;
        accept_backlog(listener.into_std()?, &connections);
        let tasks = connections.service.tasks;
        tasks.close();
        Ok(timeout(drain_timeout, tasks.wait()).await.map_or_else(|_| tasks.len(), |()| 0))
    })
}

/// Accepts until the server drains.
async fn accept(listener: &tokio::net::TcpListener, connections: &Connections) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.draining.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => connections.spawn(stream, peer),
            Err(error) => {
                log::line(format_args!("cannot accept a connection: {error}"));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Accepts what the kernel had already accepted for us: closing the listener would reset these connections.
fn accept_backlog(listener: TcpListener, connections: &Connections) {
    while let Ok((stream, peer)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            connections.spawn(stream, peer);
        }
    }
}
