//! The body of a response, with which the account of its request ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{ErrorType, Observation};

/// A body whose end is the end of an [`Observation`].
pub(crate) struct Observed<B: Body<Data = Bytes> + Unpin> {
    body: B,
    /// The bytes that are left of its `content-length`. hyper does not ask for the end of a body that has given all of them.
    left: Option<u64>,
    observation: Observation,
}

impl<B: Body<Data = Bytes> + Unpin> Observed<B> {
    pub(super) fn new(body: B, left: Option<u64>, observation: Observation) -> Self {
        Self { body, left, observation }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Observed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(left), Some(data)) = (&mut this.left, frame.data_ref()) {
                    *left = left.saturating_sub(data.len() as u64);
                }
            }
            Poll::Ready(Some(Err(_))) => {
                this.observation.fail(ErrorType::CutShort);
                this.observation.finish();
            }
            Poll::Ready(None) => this.observation.finish(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Drop for Observed<B> {
    /// hyper drops a body as soon as it has all of it, or as nobody takes the rest.
    fn drop(&mut self) {
        if !self.observation.is_empty() && (self.left == Some(0) || self.body.is_end_stream()) {
            self.observation.finish();
        }
    }
}
