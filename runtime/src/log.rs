//! What this process prints: the guest's lines on stdout and stderr, and the runtime's own on stderr, which begin with `httpserver:`.
//!
//! All of them go through one queue, and a thread of its own writes them. So no request, and no signal, waits for a reader.

use std::fmt::{Arguments, Display};
use std::panic::PanicHookInfo;

use http::{Method, StatusCode, Uri};

mod limiter;
mod queue;
mod text;
mod writer;

pub(crate) use limiter::Limiter;
pub(crate) use queue::Stream;
pub use text::one_line;
pub(crate) use writer::{dropped, push};
pub use writer::{flush, start};

/// Writes a line of the runtime to stderr. Control characters in it are escaped.
pub fn line(message: Arguments<'_>) {
    // If stderr is closed, there is no place to report it.
    let _ = push(Stream::Stderr, text::line(message).as_bytes());
}

/// Writes `text` to stderr as it is: for what has another form than the lines of a log. It ends with a line feed.
pub fn print(text: Arguments<'_>) {
    let _ = push(Stream::Stderr, text.to_string().as_bytes());
}

/// Reports a panic: the hook of a process that has a log.
pub fn panicked(panic: &PanicHookInfo<'_>) {
    line(format_args!("{}", one_line(&panic.to_string())));
}

/// A request for which the guest gave no response, with the status that the client got.
pub(crate) fn request_failed(method: &Method, uri: &Uri, status: StatusCode, reason: &dyn Display) {
    static REFUSED: Limiter = Limiter::new("requests got 503");
    let message = format_args!("{method} {} {}: {reason}", uri.path(), status.as_u16());
    // A server that has too much to do already must not write a line for each request that it refuses.
    if status == StatusCode::SERVICE_UNAVAILABLE { REFUSED.line(message) } else { line(message) }
}

/// A connection that could not be accepted, for example because file descriptors ran out.
pub(crate) fn accept_failed(error: &std::io::Error) {
    static FAILED: Limiter = Limiter::new("connections could not be accepted");
    FAILED.line(format_args!("cannot accept a connection: {error}"));
}

/// A key-value pair for which the store has no room. Its guest hears of it, and goes on.
pub(crate) fn store_is_full(refusal: &dyn Display) {
    static REFUSED: Limiter = Limiter::each_minute("key-value pairs were refused");
    REFUSED.line(format_args!("{refusal}"));
}

/// A key-value store that an application may not open. Its guest hears of it, and goes on.
pub(crate) fn store_is_denied(name: &str) {
    static DENIED: Limiter = Limiter::each_minute("key-value stores were denied");
    let expected = "expected one that key_value_stores in spin.toml names";
    DENIED.line(format_args!("no access to the key-value store \"{name}\": {expected}"));
}

/// A guest that failed after the head of its response was sent.
pub(crate) fn guest_failed_after_head(reason: &str) {
    line(format_args!("a response was cut short or its guest ended badly: {reason}"));
}
