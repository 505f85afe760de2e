//! `httpserver up`: from the arguments to the end of the drain.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};
use httpserver_runtime::cache::{Cache, Code};
use httpserver_runtime::manifest::Manifest;
use httpserver_runtime::options::{Limits, Listen, Options, Timeouts, TlsFiles};
use httpserver_runtime::server::Server;
use httpserver_runtime::shutdown;
use httpserver_runtime::variables::{Sources, Variables, read_dotenv};
use listenfd::ListenFd;

use crate::cli::Up;

/// Serves until a signal, then drains.
pub(crate) fn run(arguments: &Up) -> Result<()> {
    let inherited = inherited_socket()?;
    let path = manifest_path(&arguments.from);
    let manifest = Manifest::read(&path)?;
    let sources = Sources {
        given: &arguments.variable.iter().cloned().collect(),
        environment: &|name| std::env::var(name).ok(),
        dotenv: &read_dotenv(path.parent().unwrap_or(Path::new("")))?,
    };
    let variables = Variables::resolve(&manifest, &sources)?;
    let cache = Cache::of_user();
    let code = cache.as_ref().map_or(Code::Compiler, Code::Cache);
    let server = Server::bind(&manifest, variables, &options(arguments, inherited), code)?;
    let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
    let address = server.address();
    shutdown::run_until_signal(server, || {
        eprintln!("Serving {scheme}://{address}");
        eprintln!("Available Routes:\n  {}: {scheme}://{address} (wildcard)", manifest.component);
    })
}

fn manifest_path(from: &Path) -> PathBuf {
    if from.is_dir() { from.join("spin.toml") } else { from.to_owned() }
}

/// The listening socket that the process got from the one that started it, by systemd's protocol for socket activation
/// (sd_listen_fds(3)); none if it got none.
fn inherited_socket() -> Result<Option<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 => Ok(None),
        1 => sockets.take_tcp_listener(0).context("invalid socket by LISTEN_FDS: expected a listening TCP socket"),
        many => bail!("invalid LISTEN_FDS \"{many}\": expected 1, a listening TCP socket"),
    }
}

fn options(arguments: &Up, inherited: Option<TcpListener>) -> Options {
    let tls = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    Options {
        listen: inherited.map_or(Listen::Address(arguments.listen), Listen::Inherited),
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        threads: arguments.threads.or(available_parallelism().ok()).unwrap_or(std::num::NonZeroUsize::MIN),
        timeouts: Timeouts {
            request: arguments.request_timeout,
            read: arguments.read_timeout,
            drain: arguments.drain_timeout,
        },
        limits: Limits { instances: arguments.max_instances, memory: arguments.max_instance_memory.get() },
    }
}
