//! `cargo xtask lint`: everything that reads the sources without running them.

use anyhow::Result;
use xtask_runner::Runner;

use crate::toolchain::{Flavour, Toolchain, protoc};
use crate::{fmt, tools, workspace};

/// Format, clippy for this machine and for Wasm, documentation, and what the dependencies bring along.
pub fn run(runner: &mut Runner) -> Result<()> {
    fmt::run(runner, true)?;
    protoc::install(runner)?;
    for (packages, what) in
        [(workspace::NATIVE, "everything without wasmtime"), (workspace::WITH_WASMTIME, "runtime and shim")]
    {
        let mut cargo = workspace::native_cargo("clippy", packages);
        cargo.args(["--all-targets", "--", "-Dwarnings"]);
        runner.run(&format!("clippy: {what}"), "", &mut cargo)?;
        let mut cargo = workspace::native_cargo("doc", packages);
        cargo.arg("--no-deps").env("RUSTDOCFLAGS", "-Dwarnings");
        runner.run(&format!("documentation: {what}"), "", &mut cargo)?;
    }
    wasm(runner)?;
    dependencies(runner)
}

fn wasm(runner: &mut Runner) -> Result<()> {
    let toolchain = Toolchain::find(runner, Flavour::Stable)?;
    toolchain.add_clippy(runner)?;
    let mut cargo = toolchain.cargo("clippy", Flavour::Stable);
    cargo.args(["--package", "httpserver", "--package", "test-guest", "--package", "macro-guest", "--", "-Dwarnings"]);
    runner.run("clippy: the components", "", &mut cargo)
}

/// Not the advisories: their database is in no package registry (`deny.toml` says more).
fn dependencies(runner: &mut Runner) -> Result<()> {
    let mut deny = workspace::command(tools::CARGO_DENY.path(runner)?);
    deny.args(["--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    runner.run("licences, bans and sources of the dependencies", "", &mut deny)
}
