//! HTTP/2 on one connection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task::Poll;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::delivery::{Delivery, Pace};
use super::seats::Seat;
use super::socket::Watch;
use crate::patience::{Patience, Terms};
use crate::service::Service;

/// Requests that run at one time on a connection: as many as browsers expect, and no server allows less (RFC 9113 §6.5.2).
const STREAMS: u32 = 100;

/// What a client may send of its bodies before they are read, bytes, on a stream and on the connection: the protocol's default (RFC
/// 9113 §6.9.2). It is what a connection may fill the memory with.
const WINDOW: u32 = 65_535;

/// What may wait for one client on one stream, bytes: more than one piece, so that the next one can follow at once.
const SEND_BUFFER: usize = 64 << 10;

/// How often the end of a connection waits for a client that takes the rest of a response, when the server drains. After that, what is
/// written may be responses to pings.
const FLUSHES: u32 = 5;

tokio::task_local! {
    /// Of the stream that the task serves.
    static PACE: Arc<Pace>;
}

/// Serves `io` until either side ends it, or until it has been idle for the time that clients have.
pub(super) async fn serve<I>(io: I, watch: Watch, service: Service, https: bool, peer: SocketAddr, seat: Arc<Seat>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = service.terms.limit;
    let mut builder = http2::Builder::new(Streams { terms: service.terms, behind: seat.activity().behind.clone() });
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limit)
        .keep_alive_timeout(limit)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(service.max_head).unwrap_or(u32::MAX));
    let served = seat.clone();
    let mut connection = pin!(builder.serve_connection(
        TokioIo::new(io),
        service_fn(move |request| {
            let (running, service) = (served.begin(), service.clone());
            async move {
                let pace = PACE.with(Arc::clone);
                let (response, observation) = service.respond(request, https, peer, running.behind()).await;
                Ok::<_, Infallible>(observation.answered(response.map(|body| Delivery::paced(body, running, pace))))
            }
        })
    ));
    let mut ending = pin!(seat.ending().cancelled());
    loop {
        let last = seat.activity().last();
        tokio::select! {
            _ = connection.as_mut() => return,
            () = ending.as_mut() => break,
            () = sleep(limit) => {
                if seat.activity().is_idle() && seat.activity().last() == last {
                    break;
                }
            }
        }
    }
    // It says GOAWAY, and ends when the last stream has ended; unless the client does not respond.
    connection.as_mut().graceful_shutdown();
    for round in 1.. {
        let written = watch.written();
        tokio::select! {
            _ = connection.as_mut() => return,
            () = sleep(seat.grace()) => {
                // The end of a response may still wait for its client, which no stream shows.
                let flushes = watch.is_blocked() || watch.written() != written;
                if seat.may_end() && !(flushes && seat.is_draining() && round < FLUSHES) {
                    return;
                }
            }
        }
    }
}

/// Runs the streams of a connection, each in a task of its own. hyper does not poll a body while its client takes nothing, so the patience
/// with the client is looked after here.
#[derive(Clone)]
struct Streams {
    terms: Terms,
    behind: Arc<AtomicU32>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let mut patience = Patience::new(&self.terms, self.behind.clone());
        tokio::spawn(PACE.scope(Arc::default(), async move {
            let (mut stream, pace) = (pin!(stream), PACE.with(Arc::clone));
            let mut taken = 0;
            poll_fn(|context| {
                if stream.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                if taken != pace.taken() {
                    patience.progress(pace.taken() - taken);
                    taken = pace.taken();
                }
                // When it is over, the stream is dropped: that resets it, and the guest ends.
                if pace.is_waiting() { patience.poll_over(context) } else { Poll::Pending }
            })
            .await;
        }));
    }
}
