//! What a handler gives back.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Response, StatusCode};
use std::borrow::Cow;
use std::time::Duration;

/// A response, and how to send it.
#[derive(Debug)]
pub struct Answer {
    /// The response.
    pub response: Response<Body>,
    /// How long to wait before sending it.
    pub wait: Duration,
    /// Why the request was refused, for the log.
    pub error: Option<String>,
}

/// What the body of a response consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing; not even a body of length zero is begun.
    Empty,
    /// This text.
    Text(Cow<'static, str>),
    /// The body of the request, passed on as it arrives.
    Echo(Announced),
}

/// How many bytes a body that is passed on will have, where the request's head says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced(pub Option<u64>);

impl Announced {
    /// Whether a body is whole of which `passed` bytes were passed on until one of its ends was closed.
    ///
    /// A host may close the output as soon as it has all bytes that were announced (Spin does), so an open output is not asked
    /// for then. Without a length, only the output tells which end it was: if that still takes bytes, the request's body ended.
    pub fn is_whole(self, passed: u64, output_is_open: impl FnOnce() -> bool) -> bool {
        self.0 == Some(passed) || output_is_open()
    }
}

impl Answer {
    /// A response of a content type, sent at once.
    pub fn new(status: StatusCode, content_type: &'static str, body: Body) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let answer = Self { response, wait: Duration::ZERO, error: None };
        answer.header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// A response without a body and what describes one: 204 and 304 have neither (RFC 9110 §8.6, §15.3.5, §15.4.5).
    pub fn empty(status: StatusCode) -> Self {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = status;
        Self { response, wait: Duration::ZERO, error: None }
    }

    /// A plain text.
    pub fn text(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Body::Text(text.into()))
    }

    /// A 200 with a JSON document (RFC 8259).
    pub fn json(document: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::OK, "application/json", Body::Text(document.into()))
    }

    /// The same, with this header field in place of any other of its name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.response.headers_mut().insert(name, value);
        self
    }

    /// The same, sent after a wait.
    pub fn after(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_with_all_announced_bytes_is_whole_though_its_output_is_closed() {
        for length in [0, 1, u64::MAX] {
            assert!(Announced(Some(length)).is_whole(length, || false), "{length}");
        }
    }

    #[test]
    fn a_body_whose_output_was_closed_early_is_not_whole() {
        assert!(!Announced(Some(2)).is_whole(1, || false));
        assert!(!Announced(None).is_whole(1, || false));
    }

    #[test]
    fn a_body_that_ended_before_its_output_is_whole() {
        assert!(Announced(None).is_whole(1, || true));
    }
}
