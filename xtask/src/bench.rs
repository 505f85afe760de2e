//! `cargo xtask bench`: builds all that is compared, then becomes the program that compares. Its README: `bench/`.

#[path = "../../bench/src/arguments.rs"]
mod arguments;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use xtask_runner::Runner;

use crate::toolchain::architecture::Architecture;
use crate::toolchain::{Flavour, Toolchain};
use crate::tools::{OHA, PODINFO, WRK};
use crate::{build, workspace};
pub use arguments::Arguments;

/// The server that does nothing but HTTP, a second program of the package.
const FLOOR: &str = "bench-floor";

/// Builds everything, then becomes the program; `words` are the arguments as they were typed.
pub fn run(runner: &mut Runner, words: &[OsString]) -> Result<()> {
    let (toolchain, flavour) = Toolchain::best(runner)?;
    let component = build::component(runner, &toolchain, flavour)?;
    let runtime = build::static_programs(runner, Architecture::HERE)?.program("httpserver");
    let floor = build::native(runner, FLOOR)?;
    let mut program = workspace::command(build::native(runner, workspace::BENCH)?);
    // Files in the arguments are named as seen from here; the program finds the checkout from any folder in it.
    program.current_dir(env::current_dir().context("there is no current folder")?);
    program.env("HTTPSERVER_COMPONENT", component).env("HTTPSERVER_BIN", runtime).env("HTTPSERVER_BENCH_FLOOR", floor);
    let stable = Toolchain::find(runner, Flavour::Stable)?;
    program.env("HTTPSERVER_GUEST", build::test_guest(runner, &stable)?);
    program.env("HTTPSERVER_MACRO_GUEST", build::macro_guest(runner, &stable)?);
    program.env("HTTPSERVER_BASELINE", build::baseline(runner)?);
    for tool in [WRK, OHA, PODINFO] {
        program.env(tool.variable(), tool.path(runner)?);
    }
    Err(program.args(words).exec()).context("cannot run the program that compares")
}
