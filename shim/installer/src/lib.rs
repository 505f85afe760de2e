//! Installs the shim on a node: copies its binary, and adds a handler to containerd's configuration.
//!
//! [`Node::install`] and [`Node::uninstall`] only plan; [`Plan::run`] carries the plan out.

pub mod arguments;
mod containerd;
mod durable;
mod node;

pub use node::{Node, Plan};

/// The file name that containerd looks for: its `runtime_type` is `io.containerd.wasmtime-spin.v1`.
pub const BINARY: &str = "containerd-shim-wasmtime-spin-v1";
