//! The body of a guest's response, which carries the rest of the guest's run.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{self, Instant, Sleep, sleep_until};
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::Run;
use crate::failure::{Failure, FailureKind};
use crate::log;
use crate::observation::Observers;
use crate::options::Timeouts;

/// Polls the guest whenever the client can take more. What the guest does after its last byte, such as its log line, goes on without it.
pub(crate) struct GuestBody {
    body: HyperOutgoingBody,
    rest: Option<Rest>,
}

/// The rest of a run, and its time limits.
struct Rest {
    run: Run,
    timeouts: Timeouts,
    /// When the response has to be whole.
    end: Option<Instant>,
    /// The time limit for the next byte.
    late: Pin<Box<Sleep>>,
    tasks: TaskTracker,
    observers: Observers,
}

impl Rest {
    fn new(run: Run, timeouts: Timeouts, tasks: TaskTracker, observers: Observers) -> Self {
        let now = Instant::now();
        let end = if timeouts.response.is_zero() { None } else { now.checked_add(timeouts.response) };
        Self { run, timeouts, end, late: Box::pin(sleep_until(late(now, timeouts, end))), tasks, observers }
    }

    /// There is a piece of the body. Returns whether the guest may go on.
    fn go_on(&mut self) -> bool {
        let now = Instant::now();
        self.late.as_mut().reset(late(now, self.timeouts, self.end));
        self.end.is_none_or(|end| now < end)
    }

    /// Why the guest has to end.
    fn reason(&self) -> String {
        let Timeouts { request, response, .. } = self.timeouts;
        if self.end.is_some_and(|end| Instant::now() >= end) {
            format!("its response did not end within {response:?}")
        } else {
            format!("it gave no byte within {request:?}")
        }
    }
}

/// When the guest is late with its next byte.
fn late(now: Instant, timeouts: Timeouts, end: Option<Instant>) -> Instant {
    let next = now + timeouts.request;
    end.map_or(next, |end| next.min(end))
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
    pub(super) fn new(
        body: HyperOutgoingBody,
        run: Option<Run>,
        timeouts: Timeouts,
        tasks: TaskTracker,
        observers: Observers,
    ) -> Self {
        Self { body, rest: run.map(|run| Rest::new(run, timeouts, tasks, observers)) }
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
            let observers = rest.observers;
            this.rest = None;
            if let Err(failure) = ended {
                failed(observers, &failure);
                return Poll::Ready(Some(Err(Aborted)));
            }
        }
        let polled = Pin::new(&mut this.body).poll_frame(context);
        let Some(rest) = &mut this.rest else {
            return polled.map(|frame| frame.map(|frame| frame.map_err(|_| Aborted)));
        };
        match polled {
            Poll::Ready(Some(Ok(piece))) => {
                if rest.go_on() {
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
            Poll::Ready(end) => return Poll::Ready(end.map(|frame| frame.map_err(|_| Aborted))),
            Poll::Pending => ready!(rest.late.as_mut().poll(context)),
        }
        failed(rest.observers, &Failure::new(FailureKind::Stalled, rest.reason()));
        this.rest = None;
        Poll::Ready(Some(Err(Aborted)))
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
        if let Some(Rest { run, timeouts, tasks, observers, .. }) = self.rest.take() {
            let timeout = timeouts.request;
            tasks.spawn(async move {
                match time::timeout(timeout, run).await {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => failed(observers, &failure),
                    Err(_) => {
                        let reason = format!("it did not end within {timeout:?} of its response");
                        failed(observers, &Failure::new(FailureKind::Overrun, reason));
                    }
                }
            });
        }
    }
}

/// Reports a guest that failed after the head of its response.
fn failed(observers: Observers, failure: &Failure) {
    observers.failed(failure.kind);
    log::guest_failed_after_head(&failure.reason);
}
