//! `cargo xtask fmt`: rustfmt over the workspace, and rumdl over the documents.

use anyhow::{Result, anyhow};
use xtask_runner::Runner;

use crate::{tools, workspace};

/// Formats sources and documents; with `check` only says where they are not formatted.
pub fn run(runner: &mut Runner, check: bool) -> Result<()> {
    let mut cargo = workspace::cargo("fmt");
    cargo.arg("--all");
    if check {
        cargo.arg("--check");
    }
    let mut rumdl = workspace::command(tools::RUMDL.path(runner)?);
    // All of the repository but what git ignores; the rules are in `.rumdl.toml`.
    rumdl.args([if check { "check" } else { "fmt" }, "--no-cache", "."]);
    let verb = if check { "checking the format of" } else { "formatting" };
    let done = runner
        .run(&format!("{verb} the sources"), "", &mut cargo)
        .and_then(|()| runner.run(&format!("{verb} the documents"), "", &mut rumdl));
    if check { done.map_err(|error| anyhow!("{error:#}; type `cargo xtask fmt`")) } else { done }
}
