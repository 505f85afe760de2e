//! The commands of the cluster's program. `cargo xtask cluster` has them too and includes this file, which therefore needs nothing
//! but clap.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Subcommand, value_parser};

/// The most nodes that a cluster can have. No test of this product needs more.
pub const MAX_NODES: u8 = 5;

/// What to do.
#[derive(Subcommand)]
pub enum Action {
    /// Start a cluster; the first time, build its programs, which takes a quarter of an hour
    Up {
        /// How many nodes, each with containerd, kubelet and kube-proxy
        #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(1..=i64::from(MAX_NODES)))]
        nodes: u8,
        /// A containerd shim to install on each node, for RuntimeClass wasmtime-spin [default: no such handler]
        #[arg(long, value_name = "FILE")]
        shim: Option<PathBuf>,
    },
    /// End the cluster and remove everything of it, also after a crash
    Down,
    /// Say what runs, where, with how much memory, and how to use it
    Status,
    /// Run kubectl against the cluster, for example: cluster kubectl get pods -A
    Kubectl {
        /// Passed on as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Only build the cluster's programs
    Build,
}
