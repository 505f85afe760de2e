//! An HTTP server whose handlers are a WebAssembly component.
//!
//! This crate has two parts. The core is plain Rust over [`http`]: [`respond`] turns a request into a response, and uses its
//! host only through [`Host`]. So tests run it natively. The module `component` exists on Wasm targets only. It converts
//! between `wasi:http` and the core, and waits, sends the response and writes the log line.
//!
//! A request passes these stages, one module each:
//! 1. [`RequestHead`]: is the request well-formed? If not, a rejection.
//! 2. `router`: which handler? If none for the method, 204 or 405.
//! 3. `handlers`: the response, or a `problem`.
//! 4. `middleware`: the headers `version`, `x-content-type-options` and `content-length`, and the entry of the access log, for
//!    every response.

// Printing goes through std, which makes the component larger and slower (see `component`).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod config;
mod handlers;
mod headers;
mod host;
mod json;
mod middleware;
mod problem;
mod request;
mod response;
mod router;
mod timestamp;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use host::Host;
pub use middleware::access_log::{Completion, Entry};
pub use request::RequestHead;
pub use response::{AnnouncedLength, Body, Outcome};

use middleware::{framing, sniffing, version};

/// Handles one request. The second value is the entry for the access log, to be written after the response. It is `None` if
/// the log level excludes it.
pub fn respond(head: RequestHead, host: &dyn Host) -> (Outcome, Option<Entry>) {
    let RequestHead { request, rejection } = head;
    let result = rejection.map_or_else(|| router::dispatch(&request, host), Err);
    let mut outcome = result.unwrap_or_else(Outcome::from);
    version::set_header(outcome.response.headers_mut(), host);
    sniffing::forbid(outcome.response.headers_mut());
    framing::finish_body(request.method(), &mut outcome.response);
    let entry = Entry::new(request, &outcome, host);
    (outcome, entry)
}
