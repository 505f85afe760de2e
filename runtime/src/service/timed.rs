//! A request's body that does not wait for ever for its client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// Breaks off where the client sends nothing for too long while the guest waits for it.
pub(super) struct TimedBody {
    body: Incoming,
    patience: Duration,
    /// Made only once a guest has to wait: most requests have no body.
    late: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    too_slow: Arc<AtomicBool>,
}

impl TimedBody {
    /// Sets `too_slow` when it breaks off.
    pub(super) fn new(body: Incoming, patience: Duration, too_slow: Arc<AtomicBool>) -> Self {
        Self { body, patience, late: None, waiting: false, too_slow }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let late = this.late.get_or_insert_with(|| Box::pin(sleep(this.patience)));
        if !this.waiting {
            this.waiting = true;
            late.as_mut().reset(Instant::now() + this.patience);
        }
        ready!(late.as_mut().poll(context));
        this.too_slow.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
