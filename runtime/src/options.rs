//! Settings of a server that are not in the manifest.

use std::net::{SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// How to serve.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: Listen,
    /// To serve HTTPS.
    pub tls: Option<TlsFiles>,
    /// How many threads serve, each with its own listener and executor.
    pub threads: NonZeroUsize,
    /// How long clients and guests may take.
    pub timeouts: Timeouts,
    /// What guests may take.
    pub limits: Limits,
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listen {
    /// From new sockets on this address; port 0 takes a free one.
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

    /// How long a client may take for its next request, the rest of a head, or the next piece of a body; then 408
    #[arg(id = "read-timeout", long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub read: Duration,
}

/// Limits for the guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Limits {
    /// Requests that run at one time, each in an instance of its own; one more gets 503
    #[arg(id = "max-instances", long, value_name = "N", env = "SPIN_MAX_INSTANCE_COUNT", default_value_t = Self::DEFAULT.instances)]
    pub instances: NonZeroU32,

    /// Linear memory of one instance
    #[arg(id = "max-instance-memory", long, value_name = "BYTES", env = "SPIN_MAX_INSTANCE_MEMORY", default_value_t = Self::DEFAULT.memory)]
    pub memory: NonZeroUsize,
}

impl Timeouts {
    /// The defaults of `httpserver up`.
    pub const DEFAULT: Self =
        Self { request: Duration::from_secs(30), read: Duration::from_secs(30), drain: Duration::from_secs(30) };
}

impl Limits {
    /// The defaults of `httpserver up`: Spin's 1000 instances, and far more memory than a small service takes.
    pub const DEFAULT: Self =
        Self { instances: NonZeroU32::new(1000).unwrap(), memory: NonZeroUsize::new(64 << 20).unwrap() };
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
