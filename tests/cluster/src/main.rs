//! `cargo xtask cluster …`: a Kubernetes to try things in and to test in. `README.md` next to this package describes it.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use test_cluster::arguments::Action;
use test_cluster::{Cluster, Options};
use xtask_runner::{Runner, seconds};

/// A whole Kubernetes on this machine
#[derive(Parser)]
#[command(bin_name = "cargo xtask cluster")]
struct Cli {
    #[command(subcommand)]
    action: Action,

    /// Show the tools' own output and command lines, not only when they fail
    #[arg(short, long, global = true)]
    verbose: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&mut Runner::new(cli.verbose), cli.action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(runner: &mut Runner, action: Action) -> Result<()> {
    match action {
        Action::Up { nodes, shim } => {
            if let Some(file) = &shim {
                ensure!(file.is_file(), "there is no shim {}; `cargo xtask shim` builds ours", file.display());
            }
            let options = Options { nodes, tools: test_cluster::prepare(runner)? };
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
        Action::Build => drop(test_cluster::prepare(runner)?),
    }
    Ok(())
}
