//! `cargo xtask cluster …`: a Kubernetes of our own, to try things in and to test in. Its README: `tests/cluster/`.

use std::{ffi::OsString, os::unix::process::CommandExt, path::PathBuf, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use test_cluster::{Cluster, Options, Tools};

use crate::{
    runner::{Runner, seconds},
    test::{Summary, report},
    workspace,
};

#[derive(Subcommand)]
pub enum Action {
    /// Start a cluster; the first time, build its programs, which takes a quarter of an hour
    Up {
        /// How many nodes, each with containerd, kubelet and kube-proxy
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(test_cluster::MAX_NODES)))]
        nodes: u8,
        /// A containerd shim to install on each node, for RuntimeClass wasmtime-spin [default: no such handler]
        #[arg(long, value_name = "FILE")]
        shim: Option<PathBuf>,
    },
    /// End the cluster and remove everything of it, also after a crash
    Down,
    /// Say what runs, where, with how much memory, and how to use it
    Status,
    /// Run kubectl against the cluster, for example: cluster kubectl get pods -A
    Kubectl {
        /// Passed on as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Only build the cluster's programs
    Build,
    /// Test the cluster itself: it survives restarts and leaves nothing behind; wants the machine for itself
    Test,
}

/// Runs one of the commands.
pub fn run(runner: &mut Runner, action: Action) -> Result<()> {
    match action {
        Action::Up { nodes, shim } => {
            if let Some(file) = &shim {
                ensure!(file.is_file(), "there is no shim {}; `cargo xtask shim` builds ours", file.display());
            }
            let options = Options { nodes, tools: tools(runner)? };
            let start = Instant::now();
            let cluster = Cluster::up(&options)?;
            if let Some(file) = &shim {
                cluster.install_shim(file)?;
            }
            println!("{nodes} nodes ready after {}\n{}", seconds(start.elapsed()), cluster.usage());
        }
        Action::Down => Cluster::down()?,
        Action::Status => print!("{}", Cluster::attach()?.status()?),
        Action::Kubectl { arguments } => {
            // In place of this process: signals, terminal and exit code are kubectl's.
            return Err(Cluster::attach()?.kubectl_command().args(arguments).exec()).context("cannot run kubectl");
        }
        Action::Build => drop(tools(runner)?),
        Action::Test => test(runner)?,
    }
    Ok(())
}

fn test(runner: &mut Runner) -> Result<()> {
    tools(runner)?;
    let mut summary = Summary::default();
    let mut cargo = workspace::host_cargo("test", workspace::PLAIN);
    cargo.args(["--test", "lifecycle", "--", "--ignored", "--nocapture"]);
    let outcome = runner.run_streaming("the cluster by itself", &mut cargo, |line| summary.add(line));
    report(runner, &summary);
    outcome
}

/// The cluster's programs, built if need be, after a check that this machine can run them.
pub fn tools(runner: &mut Runner) -> Result<Tools> {
    let cache = workspace::cache().context("neither XDG_CACHE_HOME nor HOME is an absolute path; set one")?;
    let mut runner = |what: &str, hint: &str, command: &mut Command| runner.run(what, hint, command);
    test_cluster::prepare(&cache.join("cluster"), &mut runner)
}
