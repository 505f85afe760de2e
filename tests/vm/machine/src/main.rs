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
    Prepare(Kind),
    /// Boot the machine and run the cases in it
    Test(Test),
}

/// What machine it is.
#[derive(Args)]
struct Kind {
    /// Its processor: amd64 or arm64
    #[arg(long, value_name = "NAME")]
    arch: String,
}

/// What the machine gets for one run.
#[derive(Args)]
struct Test {
    #[command(flatten)]
    kind: Kind,

    /// The shim
    #[arg(long, value_name = "FILE")]
    shim: PathBuf,

    /// The program that installs the shim, a static one
    #[arg(long, value_name = "FILE")]
    installer: PathBuf,

    /// The program with the cases, a static one
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,

    /// The component
    #[arg(long, value_name = "FILE")]
    component: PathBuf,

    /// The archive with the application's image
    #[arg(long, value_name = "FILE")]
    image: PathBuf,

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
    match action {
        Action::Prepare(kind) => {
            let platform = Platform::find(&kind.arch)?;
            prerequisites(runner, &platform)?;
            Base::in_cache(runner, &platform)?;
            test_cluster::prepare_node(runner, platform.architecture, &platform.gcc())?;
            Ok(())
        }
        Action::Test(test) => {
            let platform = Platform::find(&test.kind.arch)?;
            let base = Base::in_cache(runner, &platform)?;
            let luggage = luggage::disk(runner, &platform, test)?;
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
    let user_emulator = platform.user_emulator();
    let mut programs = vec![
        (platform.emulator, platform.emulator_package),
        ("mmdebstrap", "mmdebstrap"),
        ("mke2fs", "e2fsprogs"),
        ("gcc", "gcc"),
    ];
    if platform.is_foreign() {
        // Packages are configured by their own programs.
        programs.extend([
            (&*user_emulator, "qemu-user-static"),
            ("update-binfmts", "binfmt-support"),
            ("arch-test", "arch-test"),
        ]);
    }
    let is_missing = |program: &str| Command::new(program).arg("--version").output().is_err();
    let missing: Vec<_> =
        programs.into_iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt::install(runner, &missing, &format!("the virtual machine needs {}, which are not here", missing.join(", ")))
}
