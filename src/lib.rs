//! An HTTP server whose handlers are a WebAssembly component.
//!
//! This crate is two things. Its core is plain Rust over [`http`]: [`respond`] takes a request and says what to answer, and
//! knows of its surroundings only what [`Host`] tells, so that it is tested natively. Around it, on Wasm targets only, the
//! module `component` speaks `wasi:http`: it converts the request, waits, writes the answer and the log line.
//!
//! A request passes these stages, one module each:
//! 1. [`Received`]: is it a request that can be worked with?
//! 2. `router`: which handler, or 405?
//! 3. `handlers`: the answer, or a `problem`.
//! 4. `middleware`: what every answer gets (`version`, framing) and the line in the access log.

mod config;
mod handlers;
mod headers;
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

pub use middleware::access_log::{AccessLog, Completion};
pub use request::Received;
pub use response::{Announced, Answer, Body};

use middleware::{access_log, framing, version};

/// What the core asks of whoever runs it.
pub trait Host {
    /// The value of an application variable; `None` where the host knows none of that name.
    ///
    /// # Errors
    /// The host's own words, where it knows the variable and cannot tell its value.
    fn variable(&self, name: &str) -> Result<Option<String>, String>;

    /// A random number, each equally likely.
    fn random(&self) -> u64;
}

/// Answers one request: what to send, and what to log once it is sent, unless the log level leaves that out.
pub fn respond(received: Received, host: &dyn Host) -> (Answer, Option<AccessLog>) {
    let Received { request, fault } = received;
    let result = fault.map_or_else(|| router::dispatch(&request, host), Err);
    let mut answer = result.unwrap_or_else(Answer::from);
    version::stamp(answer.response.headers_mut(), host);
    framing::frame(request.method(), &mut answer.response);
    let log = access_log::open(request, &answer, host);
    (answer, log)
}
