//! `cargo xtask vm …`: tests the shim on an emulated machine with systemd, cgroup v2 and AppArmor.
//! Its README: `tests/vm/`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Subcommand;
use xtask_runner::Runner;

use crate::test::{Summary, report};
use crate::toolchain::musl::Musl;
use crate::toolchain::{Toolchain, protoc};
use crate::tools::BUSYBOX;
use crate::{build, shim, workspace};

#[derive(Subcommand)]
pub enum Action {
    /// Boot the machine and run the cases of tests/vm in it; the first time, make its disk
    Test {
        /// The shim to test [default: the one of this checkout, built first]
        #[arg(long, value_name = "FILE")]
        shim: Option<PathBuf>,
        /// Passed on to the tests, for example: -- devices
        #[arg(last = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
}

/// Runs the command.
pub fn run(runner: &mut Runner, action: &Action) -> Result<()> {
    let Action::Test { shim, arguments } = action;
    if let Some(file) = shim {
        ensure!(file.is_file(), "there is no shim {}; `cargo xtask shim` builds ours", file.display());
    }
    let machine = build::native(runner, workspace::MACHINE)?;
    let machine = |action: &str| {
        let mut command = workspace::command(&machine);
        command.arg(action);
        command
    };
    let verbose = runner.is_verbose().then_some("--verbose");
    runner.pass_through("preparing the virtual machine", machine("prepare").args(verbose))?;
    let shim = match shim {
        Some(file) => std::path::absolute(file)?,
        None => shim::build(runner)?,
    };
    let (toolchain, flavour) = Toolchain::best(runner)?;
    let files = [
        ("--shim", shim),
        ("--cases", cases(runner)?),
        ("--component", build::component(runner, &toolchain, flavour)?),
        ("--busybox", BUSYBOX.path(runner)?),
    ];
    let mut test = machine("test");
    for (flag, file) in files {
        test.arg(flag).arg(file);
    }
    test.args(verbose).arg("--").args(arguments);
    let mut summary = Summary::default();
    let outcome = runner.run_streaming("in the virtual machine", &mut test, |line| summary.add(line));
    report(runner, &summary);
    outcome
}

/// Builds the program with the cases: a static one, since the machine may have another C library.
fn cases(runner: &mut Runner) -> Result<PathBuf> {
    protoc::install(runner)?;
    let musl = Musl::find(runner)?;
    runner.run("building the cases", "first time about 2 min", &mut musl.cargo("build", &[workspace::CASES]))?;
    Ok(musl.program(workspace::CASES))
}
