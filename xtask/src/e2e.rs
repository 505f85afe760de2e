//! `cargo xtask e2e`: the application on a cluster of three nodes, started for it and ended after it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result};
use clap::Args;
use test_cluster::{Cluster, Options};

use crate::{
    build, cluster, project, shim,
    step::{Steps, seconds},
    test::{self, Tally},
    toolchain::{Flavour, Toolchain},
    tools::{BUSYBOX, STRACE},
};

/// Nodes: as many as replicas, so that a spread is seen.
const NODES: u8 = 3;

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

/// Builds what is missing, starts the cluster, runs the tests, ends the cluster.
pub fn run(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    let (toolchain, flavour) = Toolchain::best(steps)?;
    let component = build::component(steps, &toolchain, flavour)?;
    let image_maker = build::image_maker(steps)?;
    let archive = project::target().join("e2e.oci.tar");
    let mut image = project::command(image_maker);
    steps.run("making the image", "", image.args(["--name", IMAGE, "--output"]).arg(&archive))?;
    let shim = shim::build(steps)?;
    let mut tests = project::host_cargo("test", project::PLAIN);
    tests.args(["--test", "e2e"]);
    steps.run("building the end-to-end tests", "", tests.arg("--no-run"))?;
    let stable = Toolchain::find(steps, Flavour::Stable)?;
    let mut named = test::tools(steps)?;
    named.push(("HTTPSERVER_COMPONENT".to_owned(), component));
    named.push(("HTTPSERVER_GUEST".to_owned(), build::test_guest(steps, &stable)?));
    named.push(("HTTPSERVER_BASELINE".to_owned(), build::baseline(steps)?));
    for tool in [BUSYBOX, STRACE] {
        named.push((tool.variable(), tool.path(steps)?));
    }
    named.push(("HTTPSERVER_IMAGE_ARCHIVE".to_owned(), archive.clone()));
    let options = Options { nodes: NODES, tools: cluster::tools(steps)? };

    // A cluster of before has another shim and other images.
    Cluster::down()?;
    let outcome = on_cluster(steps, &options, &shim, &archive, tests_command(named, arguments));
    if arguments.keep {
        return outcome;
    }
    let down = Cluster::down();
    outcome.and(down)
}

/// The command that runs the tests; `named` is what they find by environment variables.
fn tests_command(named: Vec<(String, PathBuf)>, arguments: &Arguments) -> Command {
    let mut cargo = project::host_cargo("test", project::PLAIN);
    cargo.args(["--test", "e2e"]).envs(named);
    if arguments.long {
        cargo.env("HTTPSERVER_E2E_LONG", "1");
    }
    cargo.arg("--").args(&arguments.arguments);
    cargo
}

fn on_cluster(steps: &mut Steps, options: &Options, shim: &Path, archive: &Path, mut tests: Command) -> Result<()> {
    let start = Instant::now();
    let cluster = Cluster::up(options).context("the cluster does not start")?;
    eprintln!("{NODES} nodes ready after {}", seconds(start.elapsed()));
    shim::install_on(&cluster, shim)?;
    cluster.import_image(archive)?;
    let mut tally = Tally::default();
    let outcome = steps.lines("end to end", &mut tests, |line| tally.add(line));
    test::report(steps, &tally);
    outcome
}
