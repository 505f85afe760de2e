//! The body of a guest's response, which carries the rest of the guest's run.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{self, Instant, Sleep, sleep};
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::Run;
use crate::log;

/// Polls the guest whenever the client can take more. What the guest does after its last byte, such as its log line, goes on without it.
pub(crate) struct GuestBody {
    body: HyperOutgoingBody,
    rest: Option<Rest>,
}

/// The rest of a run, and the time limit for the next byte.
struct Rest {
    run: Run,
    timeout: Duration,
    stalled: Pin<Box<Sleep>>,
    tasks: TaskTracker,
}

/// The error of a response that is not whole.
#[derive(Debug)]
pub(crate) struct Aborted;

impl std::fmt::Display for Aborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the guest did not finish its response")
    }
}

impl std::error::Error for Aborted {}

impl GuestBody {
    /// `run` is the rest of the guest's run, if it did not end with the response.
    pub(super) fn new(body: HyperOutgoingBody, run: Option<Run>, timeout: Duration, tasks: TaskTracker) -> Self {
        let rest = run.map(|run| Rest { run, timeout, stalled: Box::pin(sleep(timeout)), tasks });
        Self { body, rest }
    }
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let this = self.get_mut();
        if let Some(rest) = &mut this.rest
            && let Poll::Ready(ended) = rest.run.as_mut().poll(context)
        {
            this.rest = None;
            if let Err(reason) = ended {
                log::guest_failed_after_head(&reason);
                return Poll::Ready(Some(Err(Aborted)));
            }
        }
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(rest) = &mut this.rest {
                    rest.stalled.as_mut().reset(Instant::now() + rest.timeout);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|_| Aborted)))
            }
            Poll::Pending => {
                let Some(rest) = &mut this.rest else { return Poll::Pending };
                ready!(rest.stalled.as_mut().poll(context));
                log::guest_failed_after_head(&format!("it gave no byte within {:?}", rest.timeout));
                this.rest = None;
                Poll::Ready(Some(Err(Aborted)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for GuestBody {
    /// The client gets no more. The guest finds its streams closed, and may run to its end.
    fn drop(&mut self) {
        if let Some(Rest { run, timeout, tasks, .. }) = self.rest.take() {
            tasks.spawn(async move {
                match time::timeout(timeout, run).await {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => log::guest_failed_after_head(&reason),
                    Err(_) => {
                        log::guest_failed_after_head(&format!("it did not end within {timeout:?} of its response"))
                    }
                }
            });
        }
    }
}
