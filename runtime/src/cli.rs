//! The command line: the flags that `spin up` users know, and a few for limits.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use httpserver_runtime::options::Limits;

/// [`Limits::DEFAULT`], as the type that refuses 0.
const DEFAULT_MEMORY: NonZeroUsize = NonZeroUsize::new(Limits::DEFAULT.memory).unwrap();

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

    /// A value for a variable of the application; may be given again for another
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) variable: Vec<(String, String)>,

    /// A certificate chain in PEM, to serve HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// How long requests may still run after SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) drain_timeout: Duration,

    /// How long the component may take to begin its response; then 504
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) request_timeout: Duration,

    /// How long a client may take to send on; then 408
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) read_timeout: Duration,

    /// Requests served at one time; one more is answered 503
    #[arg(long, value_name = "N", env = "SPIN_MAX_INSTANCE_COUNT", default_value_t = Limits::DEFAULT.instances)]
    pub(crate) max_instances: NonZeroU32,

    /// Linear memory of one instance
    #[arg(long, value_name = "BYTES", env = "SPIN_MAX_INSTANCE_MEMORY", default_value_t = DEFAULT_MEMORY)]
    pub(crate) max_instance_memory: NonZeroUsize,

    /// Serving threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, as in `--variable version=v9`")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = "expected seconds, as in `30` or `0.5`";
    let seconds = text.parse().map_err(|_| wrong)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use httpserver_runtime::options::Timeouts;

    #[test]
    fn the_timeouts_shown_by_help_are_the_librarys() {
        let Command::Up(up) = Command::parse_from(["httpserver", "up"]);
        let Timeouts { request, read, drain } = Timeouts::DEFAULT;
        assert_eq!((up.request_timeout, up.read_timeout, up.drain_timeout), (request, read, drain));
    }
}
