//! `cargo xtask shim`: builds the containerd shim, and lets the installer give it to this node's containerd or take it away.

#[path = "../../shim/installer/src/arguments.rs"]
mod arguments;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xtask_runner::Runner;

use crate::toolchain::architecture::Architecture;
use crate::{build, workspace};

pub use arguments::Arguments;

/// The name that containerd looks for: its `runtime_type` is `io.containerd.wasmtime-spin.v1`.
pub const BINARY: &str = "containerd-shim-wasmtime-spin-v1";

/// Builds the shim, then becomes the installer if that has something to do; `words` are the arguments as they were typed.
pub fn run(runner: &mut Runner, arguments: &Arguments, words: &[OsString]) -> Result<()> {
    let binary = if arguments.uninstall { None } else { Some(build(runner, Architecture::HERE)?) };
    if !arguments.install && !arguments.uninstall {
        return Ok(());
    }
    let mut installer = workspace::command(build::native(runner, workspace::INSTALLER)?);
    installer.args(words);
    if let Some(binary) = binary {
        installer.arg("--shim").arg(binary);
    }
    Err(installer.exec()).context("cannot run the installer")
}

/// Builds the shim's binary for `architecture`, what it needs installed first.
pub fn build(runner: &mut Runner, architecture: Architecture) -> Result<PathBuf> {
    ensure!(cfg!(target_os = "linux"), "containerd's shims exist on Linux only");
    let binary = build::static_programs(runner, architecture)?.program(BINARY);
    eprintln!("{}", workspace::shown(&binary));
    Ok(binary)
}
