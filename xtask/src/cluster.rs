//! `cargo xtask cluster …`: builds the cluster's program, which does the rest. Its README: `tests/cluster/`.

#[path = "../../tests/cluster/src/arguments.rs"]
mod arguments;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use clap::Subcommand;
use xtask_runner::Runner;

use crate::test::{Summary, report};
use crate::{build, workspace};
use arguments::Action as Program;

/// What to do.
#[derive(Subcommand)]
pub enum Action {
    #[command(flatten)]
    Program(Program),
    /// Test the cluster itself: it survives restarts and leaves nothing behind; no other cluster may run
    Test,
}

/// Runs one of the commands; `words` are the arguments as they were typed.
pub fn run(runner: &mut Runner, action: &Action, words: &[OsString]) -> Result<()> {
    if let Action::Test = action {
        return test(runner);
    }
    let mut program = workspace::command(build::native(runner, workspace::CLUSTER)?);
    // Files in the arguments are named as seen from here.
    program.current_dir(env::current_dir().context("there is no current folder")?);
    program.args(words).args(runner.is_verbose().then_some("--verbose"));
    Err(program.exec()).context("cannot run the cluster's program")
}

/// Builds the cluster's programs, after a check that this machine can run them.
pub fn build_tools(runner: &mut Runner) -> Result<()> {
    let mut program = workspace::command(build::native(runner, workspace::CLUSTER)?);
    program.arg("build").args(runner.is_verbose().then_some("--verbose"));
    runner.pass_through("building the cluster's programs", &mut program)
}

fn test(runner: &mut Runner) -> Result<()> {
    build_tools(runner)?;
    let mut summary = Summary::default();
    let mut cargo = workspace::native_cargo("test", workspace::NATIVE);
    cargo.args(["--test", "lifecycle", "--", "--ignored", "--nocapture"]);
    let outcome = runner.run_streaming("the cluster by itself", &mut cargo, |line| summary.add(line));
    report(runner, &summary);
    outcome
}
