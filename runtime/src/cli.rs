//! The command line: the flags that `spin up` has, and a few for limits.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser};
use httpserver_runtime::limits::Limits;
use httpserver_runtime::options::Timeouts;

/// Runs a Spin HTTP application without Spin.
#[derive(Debug, Parser)]
#[command(name = "httpserver", version)]
pub(crate) enum Command {
    /// Serve the application of a spin.toml
    Up(Up),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The manifest, or its folder
    #[arg(short, long, alias = "file", value_name = "PATH", default_value = "spin.toml")]
    pub(crate) from: PathBuf,

    /// The address to listen on; port 0 takes a free one. Not used if the process inherits a socket (LISTEN_FDS)
    #[arg(long, value_name = "IP:PORT", env = "SPIN_HTTP_LISTEN_ADDR", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// A value for a variable of the application; give the flag once for each variable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) variable: Vec<(String, String)>,

    /// A certificate chain in PEM, to serve HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The address to serve metrics on, never that of the application; port 0 takes a free one [default: none]
    #[arg(long, value_name = "IP:PORT", env = "HTTPSERVER_METRICS_LISTEN")]
    pub(crate) metrics_listen: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) timeouts: Timeouts,

    #[command(flatten)]
    pub(crate) limits: Limits,

    /// Serving threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as version=v9")?;
    Ok((name.to_owned(), value.to_owned()))
}
