//! The address of the metrics, with a thread of its own: it answers whatever the serving threads do, until the process ends.
//!
//! A client can only ask for metrics. There are few connections, each for one response and a short time, and a new one takes the
//! place of the oldest. So a scraper gets its response although others hold connections open.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::Metrics;
use super::endpoint::{self, PATH};
use crate::{address, log};

/// Connections at one time: some scrapers, and people who look.
const CONNECTIONS: usize = 16;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// How long a connection may last: as long as Prometheus waits for a scrape by default.
const LIFETIME: Duration = Duration::from_secs(10);

/// The longest head of a request, bytes: what hyper takes at least.
const HEAD: usize = 8 << 10;

/// The pause after each connection. A response takes a millisecond of a processor; a hundred a second are more than anybody needs.
const PAUSE: Duration = Duration::from_millis(10);

/// A socket that listens for scrapers.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`. If it is `shared`, another process may listen there, too, which is about to end.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(crate) fn bind(address: SocketAddr, shared: bool) -> Result<Self> {
        let bind = || {
            let (address, socket) = address::bind(address, shared)?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(Self { socket: socket.into(), address })
        };
        bind().map_err(|error: io::Error| match error.kind() {
            ErrorKind::AddrInUse => anyhow!(
                "cannot listen on {address} for metrics: this server or another one has that address; choose another with \
                 `--metrics-listen` or HTTPSERVER_METRICS_LISTEN, port 0 for a free one"
            ),
            _ => anyhow!(
                "cannot listen on {address} for metrics: {error}; choose another address with `--metrics-listen` or \
                 HTTPSERVER_METRICS_LISTEN"
            ),
        })
    }

    /// Serves `metrics` in a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(self, metrics: &'static Metrics) -> Result<()> {
        let address = self.address;
        let serve = move || {
            let Err(error) = self.serve(metrics);
            log::line(format_args!("no metrics any more: {error:#}"));
        };
        thread::Builder::new().name("metrics".to_owned()).spawn(serve).context("cannot start a thread for metrics")?;
        log::line(format_args!("metrics on http://{address}{PATH}"));
        Ok(())
    }

    /// The work of the thread.
    fn serve(self, metrics: &'static Metrics) -> Result<Infallible> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let socket = tokio::net::TcpListener::from_std(self.socket)?;
            let mut connections = VecDeque::<AbortHandle>::new();
            loop {
                if let Ok((stream, _)) = socket.accept().await {
                    connections.retain(|connection| !connection.is_finished());
                    if connections.len() == CONNECTIONS
                        && let Some(oldest) = connections.pop_front()
                    {
                        oldest.abort();
                    }
                    connections.push_back(tokio::spawn(timeout(LIFETIME, respond(stream, metrics))).abort_handle());
                }
                // Also after an error: there may be no file descriptor for a while.
                sleep(PAUSE).await;
            }
        })
    }
}

/// Responds to one request.
async fn respond(stream: TcpStream, metrics: &'static Metrics) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(LIFETIME).max_buf_size(HEAD).keep_alive(false);
    let service = service_fn(|request: Request<Incoming>| {
        let (head, _) = request.into_parts();
        async move { Ok::<_, Infallible>(endpoint::respond(metrics, &head)) }
    });
    // A scraper that goes away cannot be told.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
