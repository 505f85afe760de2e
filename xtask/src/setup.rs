//! `cargo xtask setup`: what the other commands need, installed once, at pinned versions.

use anyhow::Result;

use crate::{
    step::Steps,
    toolchain::{Flavour, Toolchain},
    tools,
};

/// Installs the Wasm toolchain and the pinned tools, where they are not there yet.
pub fn run(steps: &mut Steps) -> Result<()> {
    Toolchain::find(steps, Flavour::Ship)?;
    Toolchain::find(steps, Flavour::Stable)?.add_clippy(steps)?;
    for tool in tools::OF_TESTS.iter().chain([&tools::CARGO_DENY, &tools::RUMDL]) {
        eprintln!("{}", tool.path(steps)?.display());
    }
    Ok(())
}
