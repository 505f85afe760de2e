//! The body of a response, on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;

use super::seats::Running;
use crate::service::ResponseBody;

/// The largest piece that HTTP/2 gets at one time, bytes. At most one piece of each body waits for its client, and the client's progress
/// is seen piece by piece. Every client accepts a frame of this size (RFC 9113 §4.2).
const PIECE: usize = 16 << 10;

/// A body on its way. Its request runs until it is dropped.
pub(super) struct Delivery<B> {
    body: B,
    /// For HTTP/2: what is left of a frame that was too large, and who has to act.
    paced: Option<(Bytes, Arc<Pace>)>,
    /// None if nothing works for the request any more.
    _running: Option<Running>,
}

/// How a body goes on that others poll.
#[derive(Default)]
pub(super) struct Pace {
    /// Whether the client has to take a piece before the next one is asked for.
    waiting: AtomicBool,
    given: AtomicUsize,
    taken: AtomicUsize,
}

impl Pace {
    /// Whether the client has to take a piece.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The bytes that the client has taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The next piece is asked for, so the one before was taken.
    fn asked(&self) {
        self.waiting.store(false, Ordering::Relaxed);
        self.taken.store(self.given.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.given.fetch_add(bytes, Ordering::Relaxed);
        self.waiting.store(true, Ordering::Relaxed);
    }
}

impl<B> Delivery<B> {
    pub(super) fn new(body: B, mut running: Running) -> Self {
        running.answered();
        Self { body, paced: None, _running: Some(running) }
    }
}

impl Delivery<ResponseBody> {
    /// Gives the body in pieces of [`PIECE`], and keeps `pace` up to date. With a response that is whole, such as a refusal, the request
    /// has ended: else a client that takes no response could keep its seat with it.
    pub(super) fn paced(body: ResponseBody, mut running: Running, pace: Arc<Pace>) -> Self {
        running.answered();
        let running = matches!(body, Either::Right(_)).then_some(running);
        Self { body, paced: Some((Bytes::new(), pace)), _running: running }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Delivery<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let Some((rest, pace)) = &mut this.paced else { return Pin::new(&mut this.body).poll_frame(context) };
        pace.asked();
        if rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => *rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        pace.give(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.paced.as_ref().is_none_or(|(rest, _)| rest.is_empty()) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // hyper asks before the first piece.
        self.body.size_hint()
    }
}
