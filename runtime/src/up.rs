//! `httpserver up`: from the arguments to the end of the drain.

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::Result;
use httpserver_runtime::cache::{Cache, Code};
use httpserver_runtime::manifest::Manifest;
use httpserver_runtime::options::{Limits, Options, Timeouts, TlsFiles};
use httpserver_runtime::server::Server;
use httpserver_runtime::shutdown;
use httpserver_runtime::variables::{Sources, Variables, read_dotenv};

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
    let cache = Cache::of_user();
    let code = cache.as_ref().map_or(Code::Compiler, Code::Cache);
    let server = Server::bind(&manifest, variables, &options(arguments), code)?;
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
