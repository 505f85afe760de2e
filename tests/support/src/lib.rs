//! What the integration tests share: applications to start ([`App`], [`Server`]), clients that send requests to them
//! ([`Connection`], `http2`, `tls`), and a [`Prometheus`] that scrapes them.
//!
//! Every wait has a deadline, [`wait::Patience::PROCESS`] if a test does not say otherwise, and no test sleeps for a fixed time. A process
//! that is started here ends when its handle is dropped, also when the test failed.

pub mod artifacts;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(feature = "tls")]
pub mod tls;
pub mod variables;
pub mod wait;

mod app;
mod collector;
mod connection;
mod output;
mod process;
mod prometheus;
mod response;
mod scraped;
mod server;
mod static_program;

pub use app::{App, Finished};
pub use collector::{Collector, Metric, Span, attributes};
pub use connection::Connection;
pub use output::Output;
pub use process::Memory;
pub use prometheus::Prometheus;
pub use response::{Framing, Response};
pub use rustix::process::Signal;
pub use scraped::Scraped;
pub use server::{Launch, Server};
pub use static_program::assert_static;
pub use wait::eventually;
