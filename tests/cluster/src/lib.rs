//! A whole Kubernetes on this machine, for the end-to-end tests: API server, controllers, scheduler, etcd, and nodes with
//! containerd, kubelet and kube-proxy, built from Go modules. No container registry, no container engine.
//!
//! 1. [`prepare`] checks this machine and builds what is missing.
//! 2. [`Cluster::up`] starts a cluster, which stays when the program that started it ends; [`Cluster::attach`] finds it.
//! 3. [`Cluster::down`] leaves nothing behind.
//!
//! `README.md` next to this crate has a drawing.

mod addons;
pub mod address;
pub mod arguments;
mod cgroup;
mod cluster;
mod command;
mod configuration;
mod daemon;
pub mod image;
mod layout;
mod machine;
mod network;
mod pki;
mod preflight;
mod process;
mod remove;
mod status;
mod tools;
pub mod wait;

use xtask_runner::{Runner, cache};

pub use arguments::MAX_NODES;
pub use cluster::{Cluster, Node, Options};
pub use daemon::Daemon;
pub use layout::RUN;
pub use tools::Tools;

/// Checks that this machine can run a cluster, installs Debian's packages that it lacks, and builds the programs that are not
/// in the user's cache folder yet.
///
/// # Errors
/// What is missing, and what to do about it.
pub fn prepare(runner: &mut Runner) -> anyhow::Result<Tools> {
    let cache = cache::folder()?.join("cluster");
    preflight::prepare(&cache, runner)?;
    Tools::build(&cache, runner)
}

/// Builds containerd's programs and `pause`, which a node without a cluster needs, for `architecture`, as Go calls it, and with the C
/// compiler `gcc`.
///
/// # Errors
/// If Go is missing or too old, or a build fails.
pub fn prepare_node(runner: &mut Runner, architecture: &str, gcc: &str) -> anyhow::Result<Tools> {
    let cache = cache::folder()?.join("cluster");
    preflight::go()?;
    tools::node::build(&cache, architecture, gcc, runner)
}

/// The programs that [`prepare_node`] has built.
///
/// # Errors
/// If one is missing.
pub fn built_node(architecture: &str) -> anyhow::Result<Tools> {
    tools::node::built(&cache::folder()?.join("cluster"), architecture)
}

/// The programs that [`prepare`] has built.
///
/// # Errors
/// If one is missing.
pub fn built() -> anyhow::Result<Tools> {
    let cache = cache::folder()?.join("cluster");
    anyhow::ensure!(Tools::are_built(&cache), "the cluster's programs are not built: type `cargo xtask cluster build`");
    Tools::build(&cache, &mut Runner::new(false))
}
