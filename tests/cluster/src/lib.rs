//! A whole Kubernetes on this machine, for the end-to-end tests: API server, controllers, scheduler, etcd, and nodes with
//! containerd, kubelet and kube-proxy, built from Go modules. No container registry, no container engine.
//!
//! 1. [`prepare`] checks this machine and builds what is missing.
//! 2. [`Cluster::up`] starts a cluster, which stays when the program that started it ends; [`Cluster::attach`] finds it.
//! 3. [`Cluster::down`] leaves nothing behind.
//!
//! `README.md` beside this crate draws it.

mod addons;
pub mod address;
mod cgroup;
mod cluster;
mod command;
mod component;
mod configuration;
mod host;
pub mod image;
mod layout;
mod machine;
mod network;
mod pki;
mod process;
mod remove;
mod status;
mod tools;
pub mod wait;

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

pub use cluster::{Cluster, MAX_NODES, Node, Options};
pub use command::Runner;
pub use component::Component;
pub use layout::RUN;
pub use tools::Tools;

/// Checks that this machine can run a cluster, installs Debian's packages that it lacks, and builds into `cache` the
/// programs that are not there yet. Each slow step goes through `runner`.
///
/// # Errors
/// What is missing, and what to do about it.
pub fn prepare(cache: &Path, runner: &mut Runner) -> anyhow::Result<Tools> {
    host::prepare(cache, runner)?;
    Tools::build(cache, runner)
}

/// The programs that `cargo xtask cluster build` has built, after the checks of [`prepare`].
///
/// # Errors
/// If one is missing.
pub fn built() -> anyhow::Result<Tools> {
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME is an absolute path; set one")?;
    prepare(&cache.join("httpserver/cluster"), &mut |what, _, _| {
        bail!("{what}: type `cargo xtask cluster build` first")
    })
}
