//! `cargo xtask shim`: builds the containerd shim, and gives it to this node's containerd or takes it away again.

mod containerd;
mod node;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use clap::Args;
use test_cluster::{Cluster, Component};

use crate::{build, project, step::Steps, toolchain::debian};
use containerd::Version;
use node::Node;

/// The name that containerd looks for: its `runtime_type` is `io.containerd.wasmtime-spin.v1`.
pub const BINARY: &str = "containerd-shim-wasmtime-spin-v1";

/// What the shim needs to build, beyond Rust and C: the compiler of containerd's protocol.
const PACKAGES: [&str; 1] = ["protobuf-compiler"];

#[derive(Args)]
pub struct Arguments {
    /// Also say what this would change for this node's containerd, and with --yes change it
    #[arg(long)]
    install: bool,

    /// Say what it takes to undo --install, and with --yes undo it
    #[arg(long, conflicts_with = "install")]
    uninstall: bool,

    /// Do what is said
    #[arg(long)]
    yes: bool,

    /// The node's root folder, where that is not this system's
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,

    /// containerd's version, where it cannot be asked
    #[arg(long, value_name = "VERSION")]
    containerd: Option<Version>,
}

/// Builds, installs or uninstalls.
pub fn run(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    let node = Node::at(&arguments.root, arguments.containerd);
    if arguments.uninstall {
        return node.uninstall()?.apply(arguments.yes);
    }
    let binary = build(steps)?;
    if arguments.install { node.install(&binary)?.apply(arguments.yes) } else { Ok(()) }
}

/// Installs what the shim needs to build, where it is not there yet.
pub fn prerequisites(steps: &mut Steps) -> Result<()> {
    let protoc = Command::new("protoc").arg("--version").output();
    if protoc.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    debian::install(steps, &PACKAGES, "the shim needs protoc, which is not here")
}

/// Builds the shim's binary, what it needs installed first.
pub fn build(steps: &mut Steps) -> Result<PathBuf> {
    ensure!(cfg!(target_os = "linux"), "containerd's shims exist on Linux only");
    let binary = build::static_programs(steps)?.program(BINARY);
    eprintln!("{}", project::shown(Path::new(&binary)));
    Ok(binary)
}

/// Gives the shim at `binary` to the containerd of each node of a cluster, as `--install` does, and lets it read its
/// configuration again.
pub fn install_on(cluster: &Cluster, binary: &Path) -> Result<()> {
    for node in cluster.nodes() {
        Node::at(&node.folder(), None).install(binary)?.run()?;
        cluster.restart(Component::Containerd(node.number))?;
    }
    Ok(())
}
