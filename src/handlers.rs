//! The handlers: one file for each route, with a function `handle`.

use http::Request;

use crate::host::Host;
use crate::problem::Problem;
use crate::response::Outcome;

pub mod delay;
pub mod echo;
pub mod headers;
pub mod healthz;
pub mod hello;
pub mod ip;
pub mod metrics;
pub mod openapi;
pub mod readyz;
pub mod root;
pub mod status;
pub mod version;

/// What a handler gets.
pub struct Context<'a> {
    /// The request.
    pub request: &'a Request<()>,
    /// The part of the path that stands for the `{…}` of the route. It is not decoded. Empty if the route has none.
    pub parameter: &'a str,
    /// Gives variables and random numbers.
    pub host: &'a dyn Host,
}

/// What a handler returns.
pub type Result = std::result::Result<Outcome, Problem>;
