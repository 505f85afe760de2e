//! `cargo xtask vm …`: the shim on a machine of its own, emulated, with systemd, control groups of version 2 and AppArmor.
//! Its README: `tests/vm/`.

mod base;
mod luggage;
mod machine;

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Result, ensure};
use clap::Subcommand;

use crate::{
    runner::Runner,
    shim,
    test::{Summary, report},
    toolchain::debian,
    workspace,
};
use base::Base;
use machine::{Machine, Platform};

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
pub fn run(runner: &mut Runner, action: Action) -> Result<()> {
    let Action::Test { shim, arguments } = action;
    if let Some(file) = &shim {
        ensure!(file.is_file(), "there is no shim {}; `cargo xtask shim` builds ours", file.display());
    }
    let platform = Platform::of_this_machine()?;
    prerequisites(runner, &platform)?;
    let shim = match shim {
        Some(file) => file,
        None => shim::build(runner)?,
    };
    let base = Base::of_cache(runner, &platform)?;
    let luggage = luggage::disk(runner, &shim, &arguments)?;
    let machine = Machine::new(&platform, &base, luggage)?;
    let mut summary = Summary::default();
    let outcome = machine.run(runner, |line| summary.add(line));
    report(runner, &summary);
    outcome
}

/// Installs what makes the machine's disk and emulates the machine, where it is not here yet.
fn prerequisites(runner: &mut Runner, platform: &Platform) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "only root can make a tree of Debian packages; type `sudo -E env PATH=$PATH cargo xtask vm test`"
    );
    let programs = [
        (platform.emulator, platform.emulator_package),
        ("mmdebstrap", "mmdebstrap"),
        ("mke2fs", "e2fsprogs"),
        ("gcc", "gcc"),
    ];
    let is_missing = |program: &str| workspace::command(program).arg("--version").output().is_err();
    let missing: Vec<_> =
        programs.into_iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    debian::install(runner, &missing, &format!("the virtual machine needs {}, which are not here", missing.join(", ")))
}
