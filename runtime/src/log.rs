//! The runtime's own lines, on stderr. Stdout is for the guest.

use std::fmt::Display;
use std::io::Write;

use http::{Method, StatusCode, Uri};

/// A request for which the guest gave no response, with the status that the client got.
pub(crate) fn request_failed(method: &Method, uri: &Uri, status: StatusCode, reason: &dyn Display) {
    // A URI has no control characters, so a request cannot forge a line.
    line(format_args!("{method} {} {}: {reason}", uri.path(), status.as_u16()));
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
