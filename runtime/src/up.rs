//! `httpserver up`: from the arguments to the end of the drain.

use std::env;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};
use httpserver_runtime::budget::{self, Budget};
use httpserver_runtime::cache::Cache;
use httpserver_runtime::manifest::Manifest;
use httpserver_runtime::options::{Listen, Options, TlsFiles};
use httpserver_runtime::server::Server;
use httpserver_runtime::shutdown::{Signals, run_until_signal};
use httpserver_runtime::variables::{Sources, Variables, read_dotenv};
use httpserver_runtime::{confinement, engine, guest, log, telemetry};
use listenfd::ListenFd;

use crate::cli::Up;

/// Serves until a signal, then drains.
pub(crate) fn run(arguments: &Up, signals: Signals) -> Result<()> {
    log::start().context("cannot start a thread for the log")?;
    let options = options(arguments, inherited_socket()?)?;
    for warning in options.budget.warnings() {
        log::line(format_args!("{warning}"));
    }
    let path = manifest_path(&arguments.from);
    let manifest = Manifest::read(&path)?;
    let sources = Sources {
        command_line: arguments.variable.iter().cloned().collect(),
        dotenv: read_dotenv(path.parent().unwrap_or(Path::new("")))?,
        ..Sources::environment(&|name| env::var(name).ok())
    };
    let variables = Variables::resolve(&manifest, &sources)?;
    let wasm = manifest.read_component()?;
    let engine = engine::new(&options.limits)?;
    let entry = Cache::for_user().map(|cache| cache.entry(&engine, &wasm));
    let usable = entry.as_ref().and_then(|entry| entry.as_ref().ok());
    let guest = guest::load(&engine, &manifest, &wasm, usable, variables, &options)?;
    if let Some(Err(error)) = entry {
        log::line(format_args!("not keeping the compiled component: {error:#}"));
    }
    let server = Server::bind(&options, guest)?;
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let address = server.address();
    // A kernel without them is no reason not to serve on a developer's machine.
    let warn = |error| log::line(format_args!("serving with more than a server needs: {error:#}"));
    confinement::leave_files().unwrap_or_else(warn);
    confinement::enter(options.tls.is_some(), options.telemetry.is_some()).unwrap_or_else(warn);
    run_until_signal(signals, server, || {
        // As Spin prints it.
        log::print(format_args!(
            "Serving {scheme}://{address}\nAvailable Routes:\n  {}: {scheme}://{address} (wildcard)\n",
            manifest.component
        ));
        Ok(())
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

fn options(arguments: &Up, inherited: Option<TcpListener>) -> Result<Options> {
    let tls = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    Ok(Options {
        listen: inherited.map_or(Listen::Address(arguments.listen), Listen::Inherited),
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        threads: arguments.threads.or(available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
        timeouts: arguments.timeouts,
        limits: arguments.limits,
        budget: Budget::new(&arguments.limits, budget::memory::available())?,
        metrics: arguments.metrics_listen,
        telemetry: telemetry::Settings::from_environment(&|name| env::var(name).ok())?,
    })
}
