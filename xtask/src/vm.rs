//! `cargo xtask vm …`: tests the shim on an emulated machine with systemd, cgroup v2 and AppArmor.
//! Its README: `tests/vm/`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Subcommand;
use xtask_runner::Runner;

use crate::test::{Summary, report};
use crate::toolchain::architecture::Architecture;
use crate::toolchain::debian::foreign;
use crate::toolchain::musl::Musl;
use crate::toolchain::{Toolchain, protoc};
use crate::tools::BUSYBOX;
use crate::{build, image, shim, workspace};

/// What the cases call the image.
const IMAGE: &str = "localhost/httpserver:vm";

#[derive(Subcommand)]
pub enum Action {
    /// Boot the machine and run the cases of tests/vm in it; the first time, make its disk
    Test {
        /// The shim to test [default: the one of this checkout, built first]
        #[arg(long, value_name = "FILE")]
        shim: Option<PathBuf>,
        /// The machine's processor [default: as this machine's]
        #[arg(long, value_name = "NAME")]
        arch: Option<Architecture>,
        /// Passed on to the tests, for example: -- devices
        #[arg(last = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
}

/// Runs the command.
pub fn run(runner: &mut Runner, action: &Action) -> Result<()> {
    let Action::Test { shim, arch, arguments } = action;
    let architecture = arch.unwrap_or(Architecture::HERE);
    if let Some(file) = shim {
        ensure!(file.is_file(), "there is no shim {}; `cargo xtask shim` builds ours", file.display());
    }
    let machine = build::native(runner, workspace::MACHINE)?;
    let machine = |action: &str| {
        let mut command = workspace::command(&machine);
        command.args([action, "--arch", architecture.debian()]);
        command
    };
    let verbose = runner.is_verbose().then_some("--verbose");
    runner.pass_through("preparing the virtual machine", machine("prepare").args(verbose))?;
    let shim = match shim {
        Some(file) => std::path::absolute(file)?,
        None => shim::build(runner, architecture)?,
    };
    let (toolchain, flavour) = Toolchain::best(runner)?;
    let (cases, installer) = static_programs(runner, architecture)?;
    let files = [
        ("--shim", shim),
        ("--installer", installer),
        ("--cases", cases),
        ("--component", build::component(runner, &toolchain, flavour)?),
        ("--image", image::archive(runner, IMAGE, "vm.oci.tar")?),
        ("--busybox", busybox(runner, architecture)?),
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

/// Builds the programs with the cases and that installs the shim: static ones, since the machine may have another C library.
fn static_programs(runner: &mut Runner, architecture: Architecture) -> Result<(PathBuf, PathBuf)> {
    protoc::install(runner)?;
    let musl = Musl::find(runner, architecture)?;
    let mut cargo = musl.cargo("build", &[workspace::CASES, workspace::INSTALLER]);
    runner.run("building the cases", "first time about 2 min", &mut cargo)?;
    Ok((musl.program(workspace::CASES), musl.program(workspace::INSTALLER)))
}

/// Ordinary programs in one file, for containers.
fn busybox(runner: &mut Runner, architecture: Architecture) -> Result<PathBuf> {
    if architecture == Architecture::HERE {
        return BUSYBOX.path(runner);
    }
    Ok(foreign::unpacked(runner, "busybox-static", architecture)?.join("bin/busybox"))
}
