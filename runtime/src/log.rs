//! The runtime's own lines, on stderr. Stdout is for the guest.

use std::fmt::Display;
use std::io::Write;

use http::{Method, StatusCode, Uri};

mod limiter;

pub(crate) use limiter::Limiter;

/// A request for which the guest gave no response, with the status that the client got.
pub(crate) fn request_failed(method: &Method, uri: &Uri, status: StatusCode, reason: &dyn Display) {
    static REFUSED: Limiter = Limiter::new();
    // A URI has no control characters, so a request cannot forge a line.
    let message = format_args!("{method} {} {}: {reason}", uri.path(), status.as_u16());
    // A server that has too much to do already must not write a line for each request that it refuses.
    if status == StatusCode::SERVICE_UNAVAILABLE { REFUSED.line(message) } else { line(message) }
}

/// A connection that could not be accepted, for example because file descriptors ran out.
pub(crate) fn accept_failed(error: &std::io::Error) {
    static FAILED: Limiter = Limiter::new();
    FAILED.line(format_args!("cannot accept a connection: {error}"));
}

/// A guest that failed after the head of its response was sent.
pub(crate) fn guest_failed_after_head(reason: &str) {
    line(format_args!("a response was cut short or its guest ended badly: {reason}"));
}

/// Writes a line with a single write, so that lines of several threads never mix.
pub(crate) fn line(message: std::fmt::Arguments<'_>) {
    // If stderr is closed, there is no place to report it.
    let _ = std::io::stderr().lock().write_all(format!("httpserver: {message}\n").as_bytes());
}
