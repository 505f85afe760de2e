//! HTTP/1.1 and 1.0 on one connection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

use super::LINGER;
use super::delivery::Delivery;
use super::seats::Seat;
use super::socket::Watch;
use crate::local_response::{self, PROBLEM_JSON};
use crate::patience::{Pressure, Terms};
use crate::refusal::Refusal;
use crate::service::Service;

/// How often a client that has ended its sending half is asked to give up what others need. Few clients end it, so the interval can be
/// short.
const ABSENT: Duration = Duration::from_millis(20);

/// Serves `io` until either side ends it.
pub(super) async fn serve<I: AsyncRead + AsyncWrite + Unpin>(
    io: I,
    watch: Watch,
    service: Service,
    https: bool,
    peer: SocketAddr,
    seat: Arc<Seat>,
) {
    let Terms { limit, pressure, .. } = service.terms;
    let observers = service.observers;
    let mut builder = http1::Builder::new();
    // A client that closed its sending half still waits for its response.
    builder.timer(TokioTimer::new()).header_read_timeout(limit).max_buf_size(service.max_head).half_close(true);
    let served = seat.clone();
    let mut connection = builder.serve_connection(
        TokioIo::new(io),
        service_fn(move |request| {
            let (running, service) = (served.begin(), service.clone());
            Box::pin(async move {
                let (response, observation) = service.respond(request, https, peer, running.behind()).await;
                Ok::<_, Infallible>(observation.answered(response.map(|body| Delivery::new(body, running))))
            })
        }),
    );
    let mut ending = pin!(seat.ending().cancelled());
    let mut reset = pin!(watch.reset());
    let mut absent = pin!(absent(&watch, pressure));
    let mut last_head: Option<Pin<Box<Sleep>>> = None;
    // None: it is of no use to anybody any more.
    let ended = poll_fn(|context| {
        // Before a shutdown: hyper would drop a first request that is here and not yet read.
        let mut polled = connection.poll_without_shutdown(context);
        if polled.is_pending() && last_head.is_none() && ending.as_mut().poll(context).is_ready() {
            last_head = Some(Box::pin(sleep(seat.grace())));
            Pin::new(&mut connection).graceful_shutdown();
            polled = connection.poll_without_shutdown(context);
        }
        if let Poll::Ready(ended) = polled {
            return Poll::Ready(Some(ended));
        }
        // What is missing then is the rest of a head; or of a request whose client is behind, while others need its seat.
        let over = seat.may_end()
            && !(seat.is_draining() && watch.is_blocked())
            && last_head.as_mut().is_some_and(|last_head| last_head.as_mut().poll(context).is_ready());
        let useless = over
            || !seat.activity().is_idle()
                && (reset.as_mut().poll(context).is_ready() || absent.as_mut().poll(context).is_ready());
        if useless { Poll::Ready(None) } else { Poll::Pending }
    })
    .await;
    let Some(ended) = ended else { return };
    let refusal = ended.as_ref().err().and_then(refusal);
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    // A client that has sent no part of a next request is idle, not slow: it would take a 408 for the response to that request.
    if let Some(refusal) = refusal.filter(|&refusal| refusal != Refusal::SlowHead || !parts.read_buf.is_empty()) {
        observers.refused(refusal);
        if refusal == Refusal::SlowHead {
            let _ = io.write_all(request_timeout(limit).as_bytes()).await;
        }
    }
    let _ = io.shutdown().await;
    let mut sink = tokio::io::sink();
    tokio::select! {
        _ = timeout(LINGER, tokio::io::copy(&mut io, &mut sink)) => {}
        // The seat is needed.
        () = seat.ending().cancelled(), if !seat.is_draining() => {}
    }
}

/// Ready when others need what the client holds, and the client has ended its sending half: it may have gone away.
async fn absent(watch: &Watch, pressure: &Pressure) {
    watch.half_closed().await;
    while !pressure.claim() {
        sleep(ABSENT).await;
    }
}

/// Why the connection ended before the request that had begun, if it did. hyper has responded to all but the slow ones.
fn refusal(error: &hyper::Error) -> Option<Refusal> {
    if error.is_timeout() {
        Some(Refusal::SlowHead)
    } else if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else {
        error.is_parse().then_some(Refusal::NotHttp)
    }
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
