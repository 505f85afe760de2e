//! Settings of a server that are not in the manifest.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::budget::Budget;
use crate::limits::Limits;
use crate::telemetry;

/// How to serve.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: Listen,
    /// To serve HTTPS.
    pub tls: Option<TlsFiles>,
    /// How many threads serve, each with its own executor.
    pub threads: NonZeroUsize,
    /// How long clients and guests may take.
    pub timeouts: Timeouts,
    /// What clients and guests may take.
    pub limits: Limits,
    /// What follows from the limits and the memory that there is.
    pub budget: Budget,
    /// Where to send traces and metrics, if anywhere.
    pub telemetry: Option<telemetry::Settings>,
    /// Where to serve metrics; nowhere if it is not set.
    pub metrics: Option<SocketAddr>,
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listen {
    /// From a new socket on this address; port 0 takes a free one.
    Address(SocketAddr),
    /// From a socket that listens already, and that other processes have, too. A drain leaves the connections in it that are not
    /// accepted yet: they are for the next server.
    Inherited(TcpListener),
}

/// PEM files of a certificate chain and its private key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

// The comments on the fields below are also the text of `httpserver up --help`.

/// Time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Timeouts {
    /// How long requests may still run after SIGTERM or SIGINT
    #[arg(id = "drain-timeout", long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub drain: Duration,

    /// How long the component may take to begin its response, then 504; and for the next piece of the response's body
    #[arg(id = "request-timeout", long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub request: Duration,

    /// How long a response may last from its head to its end, while the component works on it; 0 for no limit
    #[arg(id = "response-timeout", long, value_name = "SECONDS", value_parser = seconds, default_value = "3600")]
    pub response: Duration,

    /// How long a client may take for its next request, the rest of a head, the next piece of a body (then 408), or to take a piece
    /// of a response
    #[arg(id = "read-timeout", long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub read: Duration,
}

impl Timeouts {
    /// The defaults of `httpserver up`.
    pub const DEFAULT: Self = Self {
        request: Duration::from_secs(30),
        // No instance is held for ever. A download over a slow line takes less, and who follows events connects again.
        response: Duration::from_secs(3600),
        read: Duration::from_secs(30),
        drain: Duration::from_secs(30),
    };
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected seconds, such as 30 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        timeouts: Timeouts,
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn the_defaults_of_the_flags_are_the_librarys() {
        let flags = Flags::parse_from(["test"]);
        assert_eq!((flags.timeouts, flags.limits), (Timeouts::DEFAULT, Limits::DEFAULT));
    }
}
