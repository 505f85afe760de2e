//! protoc, the compiler of containerd's protocol: what the shim needs to build, beyond Rust and C.

use std::process::Command;

use anyhow::Result;
use xtask_runner::{Runner, apt};

/// Debian's package.
const PACKAGES: [&str; 1] = ["protobuf-compiler"];

/// Installs it where it is not there yet.
pub fn install(runner: &mut Runner) -> Result<()> {
    let protoc = Command::new("protoc").arg("--version").output();
    if protoc.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    apt::install(runner, &PACKAGES, "the shim needs protoc, which is not here")
}
