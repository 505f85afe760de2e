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
//! 5. `metrics`: what is counted of the response, if the variable `metrics` is on.

// Printing goes through std, which makes the component larger and slower (see `component`).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod config;
mod handlers;
mod headers;
mod host;
mod json;
mod metrics;
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
pub use metrics::Observation;
pub use middleware::access_log::{Completion, Entry};
pub use request::{Headers, RequestHead};
pub use response::{AnnouncedLength, Body, Outcome};

use config::Level;
use middleware::{framing, sniffing, version};

/// Handles one request. The second value is the entry for the access log, to be written after the response. It is `None` if
/// the log's level excludes it. The outcome's observation is for after the response, too.
pub fn respond(mut head: RequestHead, host: &dyn Host) -> (Outcome, Option<Entry>) {
    let log = config::LOG.read(host);
    if head.rejection.is_some() || log.level == Level::Debug || !router::ignores_headers(&head.request) {
        head.read_headers();
    }
    let RequestHead { request, rejection, .. } = head;
    let (route, parameter) = router::find(request.uri().path());
    let result = rejection.map_or_else(|| route.dispatch(&request, parameter, host), Err);
    let mut outcome = result.unwrap_or_else(Outcome::from);
    version::set_header(outcome.response.headers_mut(), host);
    sniffing::forbid(outcome.response.headers_mut());
    framing::finish_body(request.method(), &mut outcome.response);
    outcome.observation = Observation::new(route.path, outcome.response.status(), host);
    let entry = Entry::new(request, &outcome, log, host);
    (outcome, entry)
}
