//! `cargo xtask e2e`: builds what the end-to-end tests need, then runs them. They start and end a cluster themselves.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::step::Steps;
use crate::test::{self, Tally};
use crate::toolchain::{Flavour, Toolchain};
use crate::tools::{BUSYBOX, STRACE};
use crate::{build, cluster, project, shim};

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
pub fn run(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    let (toolchain, flavour) = Toolchain::best(steps)?;
    let component = build::component(steps, &toolchain, flavour)?;
    let image_maker = build::image_maker(steps)?;
    let archive = project::target().join("e2e.oci.tar");
    let mut image = project::command(image_maker);
    steps.run("making the image", "", image.args(["--name", IMAGE, "--output"]).arg(&archive))?;
    let shim = shim::build(steps)?;
    let mut tests = project::host_cargo("test", project::PLAIN);
    tests.args(["--test", "e2e", "--test", "contract"]);
    steps.run("building the end-to-end tests", "", tests.arg("--no-run"))?;
    let stable = Toolchain::find(steps, Flavour::Stable)?;
    let mut named = test::tools(steps)?;
    named.push(("HTTPSERVER_COMPONENT".to_owned(), component));
    named.push(("HTTPSERVER_GUEST".to_owned(), build::test_guest(steps, &stable)?));
    named.push(("HTTPSERVER_BASELINE".to_owned(), build::baseline(steps)?));
    named.push(("HTTPSERVER_SHIM".to_owned(), shim));
    for tool in [BUSYBOX, STRACE] {
        named.push((tool.variable(), tool.path(steps)?));
    }
    named.push(("HTTPSERVER_IMAGE_ARCHIVE".to_owned(), archive));
    cluster::tools(steps)?;

    let mut cargo = project::host_cargo("test", project::PLAIN);
    cargo.args(["--test", "e2e"]).envs(named);
    for (name, wanted) in [("HTTPSERVER_E2E_LONG", arguments.long), ("HTTPSERVER_E2E_KEEP", arguments.keep)] {
        if wanted {
            cargo.env(name, "1");
        }
    }
    cargo.arg("--").args(&arguments.arguments);
    let mut tally = Tally::default();
    let outcome = steps.lines("end to end", &mut cargo, |line| tally.add(line));
    test::report(steps, &tally);
    outcome
}
