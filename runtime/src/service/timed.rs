//! A request's body with a time limit for its client.

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

/// Ends with an error if the guest waits for the client and the client sends nothing for too long.
pub(super) struct TimedBody {
    body: Incoming,
    timeout: Duration,
    /// Made when a guest has to wait for the first time: most requests have no body.
    deadline: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    too_slow: Arc<AtomicBool>,
}

impl TimedBody {
    /// Sets `too_slow` when the client takes longer than `timeout`.
    pub(super) fn new(body: Incoming, timeout: Duration, too_slow: Arc<AtomicBool>) -> Self {
        Self { body, timeout, deadline: None, waiting: false, too_slow }
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
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(this.timeout)));
        if !this.waiting {
            this.waiting = true;
            deadline.as_mut().reset(Instant::now() + this.timeout);
        }
        ready!(deadline.as_mut().poll(context));
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
