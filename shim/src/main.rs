//! The containerd shim `containerd-shim-wasmtime-spin-v1`: runs the Spin application in an image as a container.
//!
//! containerd starts one for each pod. Three kinds of process follow, all forked early from one that never had a thread:
//! 1. the shim itself answers containerd: [`instance`];
//! 2. for each container one that builds it with libcontainer and stays outside: [`container`]; before that, for a Spin
//!    application, one that sees to its compiled code and ends: [`prepare`];
//! 3. the container's own, which enters namespaces and cgroup, gives up its rights ([`rights`]), and becomes either an ordinary
//!    Linux program or our server: [`executor`], [`application`].

mod application;
mod container;
mod executor;
mod exit;
mod instance;
mod leftover;
mod linux;
mod prepare;
mod report;
mod rights;
mod runtime_config;
mod settings;
mod wire;

use containerd_shimkit::sandbox::cli::{Version, shim_main};

/// Between `io.containerd.` and `.v1` in containerd's `runtime_type`.
const NAME: &str = "wasmtime-spin";

fn main() {
    leftover::remove(&std::env::args().skip(1).collect::<Vec<_>>());
    let version = Version { version: env!("CARGO_PKG_VERSION"), revision: "" };
    shim_main::<instance::Instance>(NAME, version, None);
}
