//! Errors as the client sees them: problem details (RFC 9457).

use crate::json::Object;
use crate::response::{Answer, Body};
use http::StatusCode;

/// Why a request gets no ordinary answer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    /// A problem of that status. The detail says what was wrong and what is accepted: for the client, and for the log.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// A request that must not be repeated as it is.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl From<Problem> for Answer {
    fn from(Problem { status, detail }: Problem) -> Self {
        let document = Object::default()
            .string("type", "about:blank")
            .string("title", status.canonical_reason().unwrap_or("Unassigned"))
            .raw("status", status.as_u16())
            .string("detail", &detail)
            .finish();
        let answer = Self::new(status, "application/problem+json", Body::Text(document.into()));
        Self { error: Some(detail), ..answer }
    }
}

/// A value from outside as a detail quotes it: in quotes, without control characters, and not at any length.
pub fn quoted(value: &str) -> String {
    /// Bytes; so that the details of all variables together still fit into one line of the log.
    const LIMIT: usize = 64;
    let mut text = String::new();
    crate::json::push_string(&mut text, &crate::json::cut(value, LIMIT));
    text
}
