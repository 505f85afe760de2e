//! What a server is told besides the manifest.

use std::net::{SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

/// How to serve.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: Listen,
    /// The certificate chain and its key, PEM files, to serve HTTPS.
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

impl Timeouts {
    /// What `httpserver up` gives unasked.
    pub const DEFAULT: Self =
        Self { request: Duration::from_secs(30), read: Duration::from_secs(30), drain: Duration::from_secs(30) };
}

impl Limits {
    /// What Spin gives unasked where it says so: 1000 instances. Memory: far more than a small service takes.
    pub const DEFAULT: Self = Self { instances: NonZeroU32::new(1000).unwrap(), memory: 64 << 20 };
}

/// PEM files of a certificate chain and its private key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Deadlines.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the request's head to the response's, and from one piece of a response to the next: 504, or an aborted response.
    pub request: Duration,
    /// For a client to send its next request, the rest of a head, or the next piece of a body: 408.
    pub read: Duration,
    /// From the signal to the end of the last request.
    pub drain: Duration,
}

/// What the guests may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests served at one time, each by an instance of its own; one more is answered 503.
    pub instances: NonZeroU32,
    /// Linear memory of one instance, bytes.
    pub memory: usize,
}
