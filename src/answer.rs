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
    Echo,
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
