//! The virtual machine of `cargo xtask vm test`: makes its disks and runs it. `../README.md` describes it.

mod base;
mod luggage;
mod machine;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};
use base::Base;
use clap::{Args, Parser, Subcommand};
use machine::{Machine, Platform};
use xtask_runner::{Runner, apt};

/// The virtual machine that the shim is tested on
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    action: Action,

    /// Show the tools' own output and command lines, not only when they fail
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Install what emulates the machine, and make its own disk
    Prepare,
    /// Boot the machine and run the cases in it
    Test(Test),
}

/// What the machine gets for one run.
#[derive(Args)]
struct Test {
    /// The shim
    #[arg(long, value_name = "FILE")]
    shim: PathBuf,

    /// The program with the cases, a static one
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,

    /// The component
    #[arg(long, value_name = "FILE")]
    component: PathBuf,

    /// busybox, for ordinary containers
    #[arg(long, value_name = "FILE")]
    busybox: PathBuf,

    /// Passed on to the cases
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&mut Runner::new(cli.verbose), &cli.action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(runner: &mut Runner, action: &Action) -> Result<()> {
    let platform = Platform::of_this_machine()?;
    match action {
        Action::Prepare => {
            prerequisites(runner, &platform)?;
            Base::in_cache(runner, &platform)?;
            // containerd is among them.
            test_cluster::prepare(runner)?;
            Ok(())
        }
        Action::Test(test) => {
            let base = Base::in_cache(runner, &platform)?;
            let luggage = luggage::disk(runner, test)?;
            Machine::new(&platform, &base, luggage)?.run()
        }
    }
}

/// Installs what makes the machine's disk and emulates the machine, where it is not here yet.
fn prerequisites(runner: &mut Runner, platform: &Platform) -> Result<()> {
    ensure!(
        apt::is_root(),
        "only root can make a tree of Debian packages; type `sudo -E env PATH=$PATH cargo xtask vm test`"
    );
    let programs = [
        (platform.emulator, platform.emulator_package),
        ("mmdebstrap", "mmdebstrap"),
        ("mke2fs", "e2fsprogs"),
        ("gcc", "gcc"),
    ];
    let is_missing = |program: &str| Command::new(program).arg("--version").output().is_err();
    let missing: Vec<_> =
        programs.into_iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt::install(runner, &missing, &format!("the virtual machine needs {}, which are not here", missing.join(", ")))
}
