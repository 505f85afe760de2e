//! `cargo xtask lint`: everything that reads the sources without running them.

use anyhow::Result;

use crate::{
    fmt, project, shim,
    step::Steps,
    toolchain::{Flavour, Toolchain},
    tools,
};

/// Format, clippy for the host and for Wasm, documentation, and what the dependencies bring along.
pub fn run(steps: &mut Steps) -> Result<()> {
    fmt::run(steps, true)?;
    shim::prerequisites(steps)?;
    for packages in project::WITHOUT_WASMTIME.iter().chain([&project::WITH_WASMTIME]) {
        let mut cargo = project::host_cargo("clippy", packages);
        cargo.args(["--all-targets", "--", "-Dwarnings"]);
        steps.run(&format!("clippy: {}", packages.join(", ")), "", &mut cargo)?;
        let mut cargo = project::host_cargo("doc", packages);
        cargo.arg("--no-deps").env("RUSTDOCFLAGS", "-Dwarnings");
        steps.run(&format!("documentation: {}", packages.join(", ")), "", &mut cargo)?;
    }
    wasm(steps)?;
    dependencies(steps)
}

fn wasm(steps: &mut Steps) -> Result<()> {
    let toolchain = Toolchain::find(steps, Flavour::Stable)?;
    toolchain.add_clippy(steps)?;
    let mut cargo = toolchain.cargo("clippy", Flavour::Stable);
    cargo.args(["--package", "httpserver", "--package", "test-guest", "--", "-Dwarnings"]);
    steps.run("clippy: the components", "", &mut cargo)
}

/// Not the advisories: their database is in no package registry (`deny.toml` says more).
fn dependencies(steps: &mut Steps) -> Result<()> {
    let mut deny = project::command(tools::CARGO_DENY.path(steps)?);
    deny.args(["--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    steps.run("licences, bans and sources of the dependencies", "", &mut deny)
}
