//! `cargo xtask manifests`: an overlay, rendered for an image, a version and a hostname. A program of its own does that, because
//! it needs more crates than this one.

#[path = "../manifests/src/arguments.rs"]
mod arguments;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use xtask_runner::Runner;

use crate::{build, tools, workspace};
pub use arguments::Arguments;

/// Builds the program and becomes it; `words` are the arguments as they were typed.
pub fn run(runner: &mut Runner, words: &[OsString]) -> Result<()> {
    let mut program = workspace::command(build::native(runner, workspace::MANIFESTS)?);
    // `--output` names a file as seen from here.
    program.current_dir(env::current_dir().context("there is no current folder")?);
    program.arg("--root").arg(workspace::root()).arg("--kustomize").arg(tools::KUSTOMIZE.path(runner)?);
    program.args(runner.is_verbose().then_some("--verbose")).args(words);
    Err(program.exec()).context("cannot run the program that renders manifests")
}
