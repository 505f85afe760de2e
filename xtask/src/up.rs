//! `cargo xtask up`: builds what changed, then serves. With `--watch` it does so again after each change.

mod server;
mod sources;
mod watch;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use xtask_runner::Runner;

use crate::toolchain::{Flavour, Toolchain};
use crate::{build, workspace};

/// The arguments of `cargo xtask up`.
#[derive(Args)]
pub struct Arguments {
    /// The address to listen on; port 0 takes a free one [default: SPIN_HTTP_LISTEN_ADDR, or 127.0.0.1:3000]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,

    /// Build and serve again when src/, build.rs, Cargo.toml, Cargo.lock, spin.toml or .env changes
    #[arg(long)]
    watch: bool,

    /// The runtime to serve with, instead of one that is built first
    #[arg(long, value_name = "FILE", hide = true)]
    runtime: Option<PathBuf>,

    /// Passed on to `httpserver up`, for example: -- --variable version=v9
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Builds and serves. Without `--watch` it does not return where it succeeds: the runtime takes this process over, so that
/// signals reach it directly.
pub fn run(runner: &mut Runner, arguments: &Arguments) -> Result<()> {
    let built = build(runner, arguments.runtime.clone())?;
    if arguments.watch {
        return watch::run(runner, arguments, &built);
    }
    let mut server = built.server_command();
    if let Some(address) = arguments.listen {
        server.arg("--listen").arg(address.to_string());
    }
    Err(server.args(&arguments.arguments).exec()).with_context(|| format!("cannot run {}", built.runtime.display()))
}

/// What is there after a build.
struct Built {
    toolchain: Toolchain,
    flavour: Flavour,
    runtime: PathBuf,
}

impl Built {
    /// `httpserver up` for the manifest of this checkout.
    fn server_command(&self) -> Command {
        let mut command = Command::new(&self.runtime);
        command.arg("up").arg("-f").arg(workspace::root().join("spin.toml"));
        command
    }
}

/// Builds the component, and the runtime at the same time: each alone leaves a core idle now and then.
fn build(runner: &mut Runner, runtime: Option<PathBuf>) -> Result<Built> {
    let (toolchain, flavour) = Toolchain::best(runner)?;
    let started = if runtime.is_none() { Some(build::start_runtime(runner)?) } else { None };
    build::component(runner, &toolchain, flavour)?;
    if let Some(started) = started {
        runner.finish(started)?;
    }
    Ok(Built { toolchain, flavour, runtime: runtime.unwrap_or_else(build::laptop_runtime) })
}
