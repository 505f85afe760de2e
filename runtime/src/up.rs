//! `httpserver up`: from the arguments to the end of the drain.

use std::path::{Path, PathBuf};
use std::process;
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};
use httpserver_runtime::cache::Cache;
use httpserver_runtime::manifest::Manifest;
use httpserver_runtime::options::{Limits, Options, Timeouts, TlsFiles};
use httpserver_runtime::server::{Running, Server};
use httpserver_runtime::variables::{Sources, Variables, read_dotenv};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::Up;

/// Serves until a signal, then drains.
pub(crate) fn run(arguments: &Up) -> Result<()> {
    let path = manifest_path(&arguments.from);
    let manifest = Manifest::read(&path)?;
    let sources = Sources {
        given: &arguments.variable.iter().cloned().collect(),
        environment: &|name| std::env::var(name).ok(),
        dotenv: &read_dotenv(path.parent().unwrap_or(Path::new("")))?,
    };
    let variables = Variables::resolve(&manifest, &sources)?;
    let server = Server::bind(&manifest, variables, &options(arguments), Cache::of_user().as_ref())?;
    let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
    let (address, draining) = (server.address(), server.draining());
    let executor =
        tokio::runtime::Builder::new_current_thread().enable_io().build().context("cannot wait for signals")?;
    executor.block_on(async {
        // Before anybody is told that there is a server to drain.
        let signals = Signals::new().context("cannot wait for signals")?;
        let running = server.start()?;
        eprintln!("Serving {scheme}://{address}");
        eprintln!("Available Routes:\n  {}: {scheme}://{address} (wildcard)", manifest.component);
        until_drained(running, draining, signals, arguments).await
    })
}

fn manifest_path(from: &Path) -> PathBuf {
    if from.is_dir() { from.join("spin.toml") } else { from.to_owned() }
}

fn options(arguments: &Up) -> Options {
    let tls = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    Options {
        listen: arguments.listen,
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

/// The first SIGTERM or SIGINT drains, the second ends the process.
async fn until_drained(
    running: Running,
    draining: CancellationToken,
    mut signals: Signals,
    arguments: &Up,
) -> Result<()> {
    let mut ended = tokio::task::spawn_blocking(move || running.join());
    tokio::select! {
        // Only a thread that failed ends unasked.
        ended = &mut ended => return ended?.map(drop),
        name = signals.next() => eprintln!(
            "httpserver: {}: draining for at most {:?}; again to end at once", name.0, arguments.drain_timeout
        ),
    }
    draining.cancel();
    tokio::select! {
        cut = ended => match cut?? {
            0 => Ok(()),
            cut => bail!("{cut} connections did not end within {:?} and were cut", arguments.drain_timeout),
        },
        second = signals.next() => {
            eprintln!("httpserver: {}: ending at once", second.0);
            process::exit(128 + second.1.as_raw_value())
        }
    }
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> (&'static str, SignalKind) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
        }
    }
}
