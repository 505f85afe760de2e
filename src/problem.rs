//! Errors as the client sees them: problem details (RFC 9457).

use http::StatusCode;

use crate::json::{self, Object};
use crate::response::{Body, Outcome};

/// Why a request gets an error.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    /// A problem with this status. The detail says what was wrong and what was expected. The client and the log get it, so it
    /// must not contain what the log leaves out: queries and header values.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// 400 Bad Request.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl From<Problem> for Outcome {
    fn from(Problem { status, detail }: Problem) -> Self {
        let document = Object::default()
            .string("type", "about:blank")
            .string("title", status.canonical_reason().unwrap_or("Unassigned"))
            .raw("status", status.as_u16())
            .string("detail", &detail)
            .finish();
        let outcome = Self::new(status, "application/problem+json", Body::Text(document.into()));
        Self { error: Some(detail), ..outcome }
    }
}

/// The detail for a bad value. Where the list of good values is long, `expected` ends with an example: "such as …".
pub fn invalid(what: &str, value: &str, expected: &str) -> String {
    format!("invalid {what} {}: expected {expected}", quoted(value))
}

/// A value from outside, for a detail: in quotes, with control characters escaped, and cut if it is long.
pub fn quoted(value: &str) -> String {
    /// Bytes. So the errors of all variables together fit into one line of the log.
    const LIMIT: usize = 64;
    let mut text = String::new();
    json::push_string(&mut text, &json::cut(value, LIMIT));
    text
}
