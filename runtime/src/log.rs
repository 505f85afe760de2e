//! The runtime's own lines, on stderr: stdout is the guest's.

use std::fmt::Display;
use std::io::Write;

use http::{Method, StatusCode, Uri};

/// A request that the guest did not answer, with the status the client got instead.
pub(crate) fn request_failed(method: &Method, uri: &Uri, status: StatusCode, reason: &dyn Display) {
    // A URI holds no control characters: a request cannot forge a line.
    line(format_args!("{method} {} {}: {reason}", uri.path(), status.as_u16()));
}

/// A guest that failed when the head of its response was already on its way.
pub(crate) fn guest_failed_after_head(reason: &str) {
    line(format_args!("a response was cut short or its guest ended badly: {reason}"));
}

/// One line in one write, whoever else writes.
pub(crate) fn line(message: std::fmt::Arguments<'_>) {
    // Nowhere is left to report that stderr is gone.
    let _ = std::io::stderr().lock().write_all(format!("httpserver: {message}\n").as_bytes());
}
