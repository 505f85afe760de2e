//! `cargo xtask lint`: everything that reads the sources without running them.

use anyhow::Result;

use crate::{
    fmt,
    runner::Runner,
    shim,
    toolchain::{Flavour, Toolchain},
    tools, workspace,
};

/// Format, clippy for the host and for Wasm, documentation, and what the dependencies bring along.
pub fn run(runner: &mut Runner) -> Result<()> {
    fmt::run(runner, true)?;
    shim::prerequisites(runner)?;
    for packages in workspace::WITHOUT_WASMTIME.iter().chain([&workspace::WITH_WASMTIME]) {
        let mut cargo = workspace::host_cargo("clippy", packages);
        cargo.args(["--all-targets", "--", "-Dwarnings"]);
        runner.run(&format!("clippy: {}", packages.join(", ")), "", &mut cargo)?;
        let mut cargo = workspace::host_cargo("doc", packages);
        cargo.arg("--no-deps").env("RUSTDOCFLAGS", "-Dwarnings");
        runner.run(&format!("documentation: {}", packages.join(", ")), "", &mut cargo)?;
    }
    wasm(runner)?;
    dependencies(runner)
}

fn wasm(runner: &mut Runner) -> Result<()> {
    let toolchain = Toolchain::find(runner, Flavour::Stable)?;
    toolchain.add_clippy(runner)?;
    let mut cargo = toolchain.cargo("clippy", Flavour::Stable);
    cargo.args(["--package", "httpserver", "--package", "test-guest", "--", "-Dwarnings"]);
    runner.run("clippy: the components", "", &mut cargo)
}

/// Not the advisories: their database is in no package registry (`deny.toml` says more).
fn dependencies(runner: &mut Runner) -> Result<()> {
    let mut deny = workspace::command(tools::CARGO_DENY.path(runner)?);
    deny.args(["--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    runner.run("licences, bans and sources of the dependencies", "", &mut deny)
}
