//! `cargo xtask setup`: what the other commands need, installed once, at pinned versions.

use anyhow::Result;
use xtask_runner::Runner;

use crate::toolchain::{Flavour, Toolchain};
use crate::tools;

/// Installs the Wasm toolchain and the pinned tools, where they are not there yet.
pub fn run(runner: &mut Runner) -> Result<()> {
    Toolchain::find(runner, Flavour::Ship)?;
    Toolchain::find(runner, Flavour::Stable)?.add_clippy(runner)?;
    for tool in tools::TEST_TOOLS.iter().chain([&tools::CARGO_DENY, &tools::RUMDL]) {
        eprintln!("{}", tool.path(runner)?.display());
    }
    Ok(())
}
