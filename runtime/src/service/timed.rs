//! A request's body, with patience for its client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use wasmtime_wasi_http::Error;

use crate::patience::Patience;

/// Ends with an error if the guest waits for the client and the client sends nothing, or too little, for too long.
pub(super) struct TimedBody {
    body: Incoming,
    patience: Patience,
    too_slow: Arc<AtomicBool>,
}

impl TimedBody {
    /// Sets `too_slow` when the `patience` is over.
    pub(super) fn new(body: Incoming, patience: Patience, too_slow: Arc<AtomicBool>) -> Self {
        Self { body, patience, too_slow }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
            this.patience.progress(data.map_or(0, Bytes::len));
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        ready!(this.patience.poll_over(context));
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
