//! What `cargo xtask` and the programs behind it have in common. It depends on `anyhow` alone, so that it compiles in a second.

pub mod apt;
pub mod cache;
mod cargo_output;
mod progress;
mod runner;

pub use progress::seconds;
pub use runner::{Runner, Started};
