//! A server of this repository with both of its endpoints for Prometheus.

use std::net::SocketAddr;

use crate::{App, Server};

/// The component that ships, with metrics on, and the runtime's own metrics.
pub struct Scraped {
    /// The server; its own `/metrics` is the component's.
    pub server: Server,
    metrics: SocketAddr,
}

impl Scraped {
    /// Starts one of that version, and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn start(version: &str) -> Self {
        let app = App::shipped().env("SPIN_VARIABLE_VERSION", version).env("SPIN_VARIABLE_METRICS", "on");
        let server = app.env("HTTPSERVER_METRICS_LISTEN", "127.0.0.1:0").start();
        let line = server.stderr.line_with("metrics on http://");
        let (_, authority) = line.split_once("://").expect("the line has a URL");
        let authority = authority.split('/').next().unwrap_or_default();
        let metrics = authority.parse().unwrap_or_else(|_| panic!("no socket address in {line:?}"));
        Self { server, metrics }
    }

    /// The application's address, and that of the runtime's own metrics.
    pub fn endpoints(&self) -> [SocketAddr; 2] {
        [self.server.address(), self.metrics]
    }
}
