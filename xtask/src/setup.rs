//! `cargo xtask setup`: what the other commands need, installed once, at pinned versions.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{
    project,
    step::Steps,
    toolchain::{Flavour, Toolchain},
};

/// A tool on crates.io: its name and its pinned version.
pub type Tool = (&'static str, &'static str);

/// 0.20.2 compiles with Rust 1.88 and later.
pub const CARGO_DENY: Tool = ("cargo-deny", "0.20.2");

/// Installs the Wasm toolchain and the pinned tools, where they are not there yet.
pub fn run(steps: &mut Steps) -> Result<()> {
    Toolchain::find(steps, Flavour::Ship)?;
    Toolchain::find(steps, Flavour::Stable)?.add_clippy(steps)?;
    let deny = tool(steps, CARGO_DENY)?;
    eprintln!("everything is there, also {}", deny.display());
    Ok(())
}

/// The path of a tool in the cache folder, installed first if need be. Each version has a folder of its own.
pub fn tool(steps: &mut Steps, (name, version): Tool) -> Result<PathBuf> {
    let cache = project::cache().context("neither XDG_CACHE_HOME nor HOME is an absolute path; set one")?;
    let folder = cache.join("tools").join(format!("{name}-{version}"));
    let binary = folder.join("bin").join(name);
    if !binary.is_file() {
        let mut cargo = project::cargo("install");
        // The profile dev without debug information compiles in a third of the time, and what we run takes seconds.
        cargo.args(["--locked", "--profile", "dev"]).env("CARGO_PROFILE_DEV_DEBUG", "false");
        cargo.arg("--root").arg(&folder).arg(format!("{name}@{version}"));
        steps.run(&format!("installing {name} {version}"), "once, about 2 min", &mut cargo)?;
    }
    Ok(binary)
}
