//! One connection from its first byte to its last: TLS or not, HTTP/1.1 or HTTP/2, timeouts, and the drain.

use std::future::poll_fn;
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::guest::Guest;
use crate::local_response::{self, PROBLEM_JSON};
use crate::service::Service;
use crate::tls::ALPN_H2;

/// How every HTTP/2 connection begins (RFC 9113 §3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest head of a request, bytes; the response to a longer one is 431. wasmtime takes 128 KiB, with an overhead of its own.
const MAX_HEAD: usize = 64 << 10;

/// How long the client of a closed connection may still send. To close the socket at once would reset the connection, and the client
/// might lose the response.
const LINGER: Duration = Duration::from_secs(1);

/// How long a new connection may take for the first bytes of its request if the server drains. Its client could not know that.
const FIRST_REQUEST: Duration = Duration::from_millis(100);

/// What the connections of one thread have in common.
#[derive(Clone)]
pub(crate) struct Connections {
    service: Service,
    tls: Option<TlsAcceptor>,
    draining: CancellationToken,
}

impl Connections {
    /// `read_timeout` is for a client to send its next request, the rest of a head, or the next piece of a body. `draining` is
    /// cancelled when the drain begins.
    pub(crate) fn new(
        guest: Guest,
        tls: Option<TlsAcceptor>,
        read_timeout: Duration,
        draining: CancellationToken,
    ) -> Self {
        Self { service: Service::new(guest, read_timeout), tls, draining }
    }

    /// The same with tasks of its own, for another thread: a thread ends when its own tasks have ended.
    pub(crate) fn for_thread(&self) -> Self {
        Self { service: self.service.for_thread(), ..self.clone() }
    }

    /// Cancelled when the drain begins.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Serves `stream` in a task of its own.
    pub(crate) fn spawn(&self, stream: TcpStream, peer: SocketAddr) {
        self.service.tasks.spawn(self.clone().serve(stream, peer));
    }

    /// Waits for all tasks, at most for `limit`. Returns the number of tasks that have not ended.
    pub(crate) async fn finish(self, limit: Duration) -> usize {
        let tasks = self.service.tasks;
        tasks.close();
        timeout(limit, tasks.wait()).await.map_or_else(|_| tasks.len(), |()| 0)
    }

    /// Serves `stream` until either side ends it.
    async fn serve(self, mut stream: TcpStream, peer: SocketAddr) {
        // The head and the body of a streamed response are two segments; the second must not wait for the first's acknowledgement.
        // If something fails here or below, the connection is broken, and there is no client to report it to.
        let _ = stream.set_nodelay(true);
        if let Some(acceptor) = self.tls.clone() {
            if let Ok(Ok(stream)) = timeout(self.service.read_timeout, acceptor.accept(stream)).await {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
                self.serve_http(stream, h2, peer).await;
            }
            return;
        }
        let closable = Instant::now() + FIRST_REQUEST;
        let sniffed = tokio::select! {
            sniffed = timeout(self.service.read_timeout, sniff(&mut stream)) => sniffed,
            () = async {
                self.draining.cancelled().await;
                sleep_until(closable).await;
            } => return,
        };
        if let Ok(Ok(Sniffed { h2, bytes })) = sniffed {
            let (read, write) = stream.into_split();
            self.serve_http(tokio::io::join(Cursor::new(bytes).chain(read), write), h2, peer).await;
        }
    }

    async fn serve_http<I>(self, io: I, h2: bool, peer: SocketAddr)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if h2 { self.serve_http2(io, peer).await } else { self.serve_http1(io, peer).await }
    }

    async fn serve_http1<I: AsyncRead + AsyncWrite + Unpin>(self, io: I, peer: SocketAddr) {
        let https = self.tls.is_some();
        let service = self.service;
        let read_timeout = service.read_timeout;
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(read_timeout)
            .max_buf_size(MAX_HEAD)
            // A client that closed its sending half still waits for its response.
            .half_close(true)
            .serve_connection(
                TokioIo::new(io),
                service_fn(move |request| Box::pin(service.clone().respond(request, https, peer))),
            );
        let mut draining = pin!(self.draining.cancelled());
        let mut shutting_down = false;
        let ended = poll_fn(|context| {
            // Before a shutdown: hyper would drop a first request that is here and not yet read.
            let ended = connection.poll_without_shutdown(context);
            if ended.is_pending() && !shutting_down && draining.as_mut().poll(context).is_ready() {
                shutting_down = true;
                Pin::new(&mut connection).graceful_shutdown();
                return connection.poll_without_shutdown(context);
            }
            ended
        })
        .await;
        let parts = connection.into_parts();
        let mut io = parts.io.into_inner();
        // A client that has sent no part of a next request is idle, not slow: it would take a 408 for the response to that request.
        if ended.is_err_and(|error| error.is_timeout()) && !parts.read_buf.is_empty() {
            let _ = io.write_all(request_timeout(read_timeout).as_bytes()).await;
        }
        let _ = io.shutdown().await;
        let _ = timeout(LINGER, tokio::io::copy(&mut io, &mut tokio::io::sink())).await;
    }

    async fn serve_http2<I>(self, io: I, peer: SocketAddr)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let https = self.tls.is_some();
        let service = self.service;
        let read_timeout = service.read_timeout;
        let mut connection = pin!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(read_timeout)
                .keep_alive_timeout(read_timeout)
                .serve_connection(
                    TokioIo::new(io),
                    service_fn(move |request| service.clone().respond(request, https, peer))
                )
        );
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.draining.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

/// What a connection begins with.
struct Sniffed {
    h2: bool,
    bytes: Vec<u8>,
}

/// Reads as many bytes as are needed to distinguish HTTP/2 with prior knowledge from HTTP/1.1.
async fn sniff(stream: &mut TcpStream) -> io::Result<Sniffed> {
    let mut bytes = Vec::with_capacity(H2_PREFACE.len());
    while bytes.len() < H2_PREFACE.len() && H2_PREFACE.starts_with(&bytes) {
        let missing = (H2_PREFACE.len() - bytes.len()) as u64;
        if stream.take(missing).read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(Sniffed { h2: bytes == H2_PREFACE, bytes })
}

/// A whole response 408, which hyper does not make.
fn request_timeout(limit: Duration) -> String {
    let detail = format!("the request's head did not end within {limit:?}");
    let body = local_response::problem_text(StatusCode::REQUEST_TIMEOUT, &detail);
    format!(
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
