//! What becomes of each request, for those who keep account of it: metrics and traces.
//!
//! An [`Observation`] begins when the head of a request is there. It ends exactly once: when the last byte of the response was handed
//! to the connection, when the body of the response failed, or when nobody wants the response any more. Without an [`Observer`] it is
//! nothing: no memory, no clock, no atomic operation.

mod body;
mod exchange;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Body;

use crate::failure::FailureKind;
use crate::refusal::Refusal;
pub(crate) use body::Observed;
pub(crate) use exchange::{ErrorType, Exchange, Trace};

/// Somebody who keeps account of requests. The functions are called on the serving threads, so they must not wait.
pub(crate) trait Observer: Send + Sync {
    /// The observer of one more thread, which calls it alone.
    fn for_thread(&'static self) -> &'static dyn Observer;

    /// A request has come. `head` is as the client sent it, and the guest will see what the observer makes of it.
    fn begun(&self, exchange: &mut Exchange, head: &mut Parts);

    /// The request has ended: `exchange` is complete.
    fn finished(&self, exchange: &mut Exchange);

    /// A request was refused, or a connection or bytes that did not become one.
    fn refused(&self, _refusal: Refusal) {}

    /// A guest has got an instance, which took so long.
    fn instantiated(&self, _took: Duration) {}

    /// A guest has failed, before or after its response.
    fn failed(&self, _kind: FailureKind) {}

    /// There is one more connection.
    fn connected(&self) {}

    /// A connection has ended.
    fn disconnected(&self) {}
}

/// All who keep account of the requests of a thread. They live as long as the process, so a copy costs nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Observers {
    metrics: Option<&'static dyn Observer>,
    telemetry: Option<&'static dyn Observer>,
}

/// The account of one request; empty if nobody keeps it.
pub(crate) struct Observation {
    observers: Observers,
    exchange: Option<Exchange>,
}

/// A connection that is open.
pub(crate) struct Connected(Observers);

impl Observers {
    /// These two, of which each may be missing.
    pub(crate) fn new(metrics: Option<&'static dyn Observer>, telemetry: Option<&'static dyn Observer>) -> Self {
        Self { metrics, telemetry }
    }

    /// The same for another thread.
    pub(crate) fn for_thread(self) -> Self {
        let for_thread = |observer: Option<&'static dyn Observer>| observer.map(Observer::for_thread);
        Self { metrics: for_thread(self.metrics), telemetry: for_thread(self.telemetry) }
    }

    fn each(self) -> impl Iterator<Item = &'static dyn Observer> {
        self.metrics.into_iter().chain(self.telemetry)
    }

    /// Whether somebody keeps account.
    pub(crate) fn any(self) -> bool {
        self.metrics.is_some() || self.telemetry.is_some()
    }

    /// Begins the account of a request with this head.
    pub(crate) fn begin(self, head: &mut Parts, https: bool, peer: SocketAddr) -> Observation {
        if !self.any() {
            return Observation { observers: self, exchange: None };
        }
        let mut exchange = Exchange {
            method: head.method.clone(),
            version: head.version,
            https,
            peer,
            trace: Trace::of(head),
            span: None,
            begun: Instant::now(),
            route: None,
            status: None,
            error: None,
        };
        self.each().for_each(|observer| observer.begun(&mut exchange, head));
        Observation { observers: self, exchange: Some(exchange) }
    }

    /// The time, if somebody wants to know how long something takes.
    pub(crate) fn now(self) -> Option<Instant> {
        self.any().then(Instant::now)
    }

    /// A guest has got an instance, which was begun then.
    pub(crate) fn instantiated(self, begun: Option<Instant>) {
        if let Some(begun) = begun {
            let took = begun.elapsed();
            self.each().for_each(|observer| observer.instantiated(took));
        }
    }

    /// A guest has failed, before or after its response.
    pub(crate) fn failed(self, kind: FailureKind) {
        self.each().for_each(|observer| observer.failed(kind));
    }

    /// There is one more connection. It has ended when the result is dropped.
    pub(crate) fn connected(self) -> Connected {
        self.each().for_each(Observer::connected);
        Connected(self)
    }

    /// A request was refused, or a connection or bytes that did not become one.
    pub(crate) fn refused(self, refusal: Refusal) {
        self.each().for_each(|observer| observer.refused(refusal));
    }
}

impl Observation {
    /// The request is for this route.
    pub(crate) fn route(&mut self, route: &'static str) {
        if let Some(exchange) = &mut self.exchange {
            exchange.route = Some(route);
        }
    }

    /// The request is refused.
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.observers.refused(refusal);
        if refusal.is_failure() {
            self.fail(ErrorType::Refused(refusal));
        }
    }

    /// The request failed. The first reason counts.
    pub(crate) fn fail(&mut self, error: ErrorType) {
        if let Some(exchange) = &mut self.exchange {
            exchange.error.get_or_insert(error);
        }
    }

    /// There is this response. The account ends with its body.
    pub(crate) fn answered<B>(mut self, response: Response<B>) -> Response<Observed<B>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let status = response.status();
        let mut left = None;
        if let Some(exchange) = &mut self.exchange {
            exchange.status = Some(status);
            let without_body = exchange.method == Method::HEAD
                || status == StatusCode::NO_CONTENT
                || status == StatusCode::NOT_MODIFIED;
            let length = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
            left = if without_body { Some(0) } else { length() };
            if status.is_server_error() {
                self.fail(ErrorType::Status(status));
            }
        }
        response.map(|body| Observed::new(body, left, self))
    }

    fn is_empty(&self) -> bool {
        self.exchange.is_none()
    }

    /// Ends the account; later calls have no effect.
    fn finish(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            self.observers.each().for_each(|observer| observer.finished(&mut exchange));
        }
    }
}

impl Drop for Observation {
    /// Nobody waits for the response any more.
    fn drop(&mut self) {
        if !self.is_empty() {
            self.fail(ErrorType::ClientGone);
            self.finish();
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.each().for_each(Observer::disconnected);
    }
}

#[cfg(test)]
mod tests;
