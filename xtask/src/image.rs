//! `cargo xtask image`: builds the component, then makes its image.

#[path = "../../image/src/arguments.rs"]
mod arguments;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use xtask_runner::Runner;

use crate::toolchain::Toolchain;
use crate::{build, workspace};
pub use arguments::Arguments;

/// Builds the component and the program that makes images, which does the rest; `words` are the arguments as they were typed.
pub fn run(runner: &mut Runner, words: &[OsString]) -> Result<()> {
    let program = build::native(runner, workspace::IMAGE_TOOL)?;
    let (toolchain, flavour) = Toolchain::best(runner)?;
    build::component(runner, &toolchain, flavour)?;
    Err(workspace::command(program).args(words).exec()).context("cannot run the program that makes images")
}

/// Makes the image `name` of the component, which is built already, and returns the archive `file` in `target/`.
pub fn archive(runner: &mut Runner, name: &str, file: &str) -> Result<PathBuf> {
    let archive = workspace::target().join(file);
    let mut program = workspace::command(build::native(runner, workspace::IMAGE_TOOL)?);
    runner.run("making the image", "", program.args(["--name", name, "--output"]).arg(&archive))?;
    Ok(archive)
}
