//! What a handler returns.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Response, StatusCode};

use crate::metrics::Observation;

/// The outcome of a request: a response, when to send it, and what the log and the metrics have of it.
#[derive(Debug)]
pub struct Outcome {
    /// The response.
    pub response: Response<Body>,
    /// The time to wait before the response is sent.
    pub delay: Duration,
    /// Why the request failed, for the log.
    pub error: Option<String>,
    /// What is to be counted. `None` if the metrics are off.
    pub observation: Option<Observation>,
}

/// The body of a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// No body, not even an empty one.
    Empty,
    /// A text.
    Text(Cow<'static, str>),
    /// The body of the request, which the host streams back.
    Echo(AnnouncedLength),
}

/// The length in bytes that the request's head announces for its body. `None` if it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncedLength(pub Option<u64>);

impl AnnouncedLength {
    /// Whether the body is complete, when `streamed` bytes went from the request to the response and one of the two was closed.
    ///
    /// A host may close the response's body as soon as it has all announced bytes (Spin does), so then it does not matter
    /// whether that body is open. Without a length, an open response body means that the request's body was the closed one,
    /// so it has ended.
    pub fn is_complete(self, streamed: u64, output_is_open: impl FnOnce() -> bool) -> bool {
        self.0 == Some(streamed) || output_is_open()
    }
}

impl Outcome {
    /// A response with this content type, without a delay.
    pub fn new(status: StatusCode, content_type: &'static str, body: Body) -> Self {
        Self::bare(status, body).header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// A response with neither a body nor headers that describe one: for 204 and 304 (RFC 9110 §8.6, §15.3.5, §15.4.5).
    pub fn empty(status: StatusCode) -> Self {
        Self::bare(status, Body::Empty)
    }

    /// A plain text.
    pub fn text(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Body::Text(text.into()))
    }

    /// A 200 with a JSON document (RFC 8259).
    pub fn json(document: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::OK, "application/json", Body::Text(document.into()))
    }

    /// Sets a header of the response, and replaces an earlier one of that name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.response.headers_mut().insert(name, value);
        self
    }

    /// Sets the delay.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    fn bare(status: StatusCode, body: Body) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Self { response, delay: Duration::ZERO, error: None, observation: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_with_all_announced_bytes_is_complete_although_its_output_is_closed() {
        for length in [0, 1, u64::MAX] {
            assert!(AnnouncedLength(Some(length)).is_complete(length, || false), "{length}");
        }
    }

    #[test]
    fn a_body_whose_output_closed_early_is_incomplete() {
        assert!(!AnnouncedLength(Some(2)).is_complete(1, || false));
        assert!(!AnnouncedLength(None).is_complete(1, || false));
    }

    #[test]
    fn a_body_that_ended_while_its_output_was_open_is_complete() {
        assert!(AnnouncedLength(None).is_complete(1, || true));
    }
}
