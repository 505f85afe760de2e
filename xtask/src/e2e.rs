//! `cargo xtask e2e`: builds what the end-to-end tests need, then runs them. They start and end a cluster themselves.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;
use xtask_runner::Runner;

use crate::test::{self, Summary};
use crate::toolchain::architecture::Architecture;
use crate::toolchain::{Flavour, Toolchain};
use crate::tools::{BUSYBOX, STRACE};
use crate::{build, cluster, image, shim, workspace};

/// What the tests call the image.
const IMAGE: &str = "localhost/httpserver:e2e";

/// The arguments of `cargo xtask e2e`.
#[derive(Args)]
pub struct Arguments {
    /// 100,000 requests for each disturbance, instead of as many as it takes
    #[arg(long)]
    long: bool,

    /// Leave the cluster there, to look into it; `cargo xtask cluster down` ends it
    #[arg(long)]
    keep: bool,

    /// Passed on to the tests, for example: -- rollout
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Builds what is missing, then runs the tests.
pub fn run(runner: &mut Runner, arguments: &Arguments) -> Result<()> {
    let (toolchain, flavour) = Toolchain::best(runner)?;
    let component = build::component(runner, &toolchain, flavour)?;
    let archive = image::archive(runner, IMAGE, "e2e.oci.tar")?;
    let shim = shim::build(runner, Architecture::HERE)?;
    let program = build::native(runner, workspace::END_TO_END)?;
    let stable = Toolchain::find(runner, Flavour::Stable)?;
    let mut named = test::tools(runner)?;
    named.push(("HTTPSERVER_COMPONENT".to_owned(), component));
    named.push(("HTTPSERVER_GUEST".to_owned(), build::test_guest(runner, &stable)?));
    named.push(("HTTPSERVER_BASELINE".to_owned(), build::baseline(runner)?));
    named.push(("HTTPSERVER_SHIM".to_owned(), shim));
    for tool in [BUSYBOX, STRACE] {
        named.push((tool.variable(), tool.path(runner)?));
    }
    named.push(("HTTPSERVER_IMAGE_ARCHIVE".to_owned(), archive));
    cluster::build_tools(runner)?;

    let mut tests = workspace::command(program);
    tests.envs(named);
    for (name, wanted) in [("HTTPSERVER_E2E_LONG", arguments.long), ("HTTPSERVER_E2E_KEEP", arguments.keep)] {
        if wanted {
            tests.env(name, "1");
        }
    }
    tests.args(&arguments.arguments);
    let mut summary = Summary::default();
    let outcome = runner.run_streaming("end to end", &mut tests, |line| summary.add(line));
    test::report(runner, &summary);
    outcome
}
