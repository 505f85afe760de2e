//! One connection from its first byte to its last: TLS or not, HTTP/1.1 or HTTP/2, and the drain.

mod delivery;
mod http1;
mod http2;
mod seats;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::guest::Guest;
use crate::observation::Observers;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::tls::ALPN_H2;
pub(crate) use seats::{Seat, Seats};
use socket::{Socket, Watch};

/// How every HTTP/2 connection begins (RFC 9113 §3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
    pub(crate) seats: Seats,
}

impl Connections {
    /// At most `most` at one time, on all threads together. `draining` is cancelled when the drain begins.
    pub(crate) fn new(
        guest: Arc<Guest>,
        tls: Option<TlsAcceptor>,
        options: &Options,
        most: usize,
        draining: CancellationToken,
        observers: Observers,
    ) -> Self {
        let seats = Seats::new(most, draining);
        Self { service: Service::new(guest, options, observers), tls, seats }
    }

    /// The same with tasks and connections of its own, for another thread: a thread ends when its own tasks have ended.
    pub(crate) fn for_thread(&self) -> Self {
        Self { service: self.service.for_thread(), seats: self.seats.for_thread(), ..self.clone() }
    }

    /// Serves `stream` in a task of its own.
    pub(crate) fn spawn(&self, stream: TcpStream, peer: SocketAddr, seat: Arc<Seat>) {
        self.service.tasks.spawn(self.clone().serve(stream, peer, seat));
    }

    /// A connection could not be accepted.
    pub(crate) fn not_accepted(&self) {
        self.service.observers.refused(Refusal::NotAccepted);
    }

    /// Waits for all tasks, at most for `limit`. Returns the number of tasks that have not ended.
    pub(crate) async fn finish(self, limit: Duration) -> usize {
        let tasks = self.service.tasks;
        tasks.close();
        timeout(limit, tasks.wait()).await.map_or_else(|_| tasks.len(), |()| 0)
    }

    /// Serves `stream` until either side ends it. If something fails, the connection is broken, so the client cannot be told.
    async fn serve(self, stream: TcpStream, peer: SocketAddr, seat: Arc<Seat>) {
        let begun = Instant::now();
        let _connected = self.service.observers.connected();
        let limit = self.service.terms.limit;
        let mut socket = Socket::new(stream, &self.service.terms, seat.activity().clone());
        let watch = socket.watch();
        if let Some(acceptor) = &self.tls {
            let accepted = tokio::select! {
                accepted = timeout(limit, acceptor.accept(socket)) => accepted,
                () = async {
                    seat.ending().cancelled().await;
                    sleep(seat.grace()).await;
                } => return,
            };
            if let Ok(Ok(stream)) = accepted {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
                self.serve_http(stream, watch, h2, peer, seat).await;
            }
            return;
        }
        let decided = |bytes: &[u8]| bytes.len() >= H2_PREFACE.len() || !H2_PREFACE.starts_with(bytes);
        let sniffed = tokio::select! {
            sniffed = timeout(limit, socket.sniff(decided, H2_PREFACE.len())) => sniffed,
            () = async {
                seat.ending().cancelled().await;
                sleep_until(begun + FIRST_REQUEST).await;
            } => return,
        };
        if let Ok(Ok(bytes)) = sniffed {
            let h2 = bytes == H2_PREFACE;
            self.serve_http(socket, watch, h2, peer, seat).await;
        }
    }

    async fn serve_http<I>(self, io: I, watch: Watch, h2: bool, peer: SocketAddr, seat: Arc<Seat>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let https = self.tls.is_some();
        if h2 {
            http2::serve(io, watch, self.service, https, peer, seat).await;
        } else {
            http1::serve(io, watch, self.service, https, peer, seat).await;
        }
    }
}
