//! `cargo xtask fmt`: rustfmt over the workspace.

use anyhow::{Result, anyhow};

use crate::{project, step::Steps};

/// Formats the sources; with `check` only says where they are not formatted.
pub fn run(steps: &mut Steps, check: bool) -> Result<()> {
    let mut cargo = project::cargo("fmt");
    cargo.arg("--all");
    if check {
        cargo.arg("--check");
        let checked = steps.run("checking the format", "", &mut cargo);
        return checked.map_err(|error| anyhow!("{error:#}; type `cargo xtask fmt`"));
    }
    steps.run("formatting", "", &mut cargo)
}
