//! Runs one Spin HTTP application as Spin would: the embedded runtime.
//!
//! Five steps, each a module:
//! 1. [`manifest`] reads `spin.toml`; what only Spin has is refused.
//! 2. [`variables`] gives the component's variables their values.
//! 3. `engine` compiles and links the component, through the [`cache`] of compiled code.
//! 4. [`server`] listens, with one thread per core; `connection` speaks HTTP; `service` decides who answers.
//! 5. `request` makes the request what Spin makes it; `guest` lets a fresh instance answer it.
//! 6. [`drain`] ends the server on a signal.

mod answer;
pub mod cache;
mod connection;
pub mod drain;
mod engine;
mod guest;
mod log;
pub mod manifest;
pub mod options;
mod request;
pub mod server;
mod service;
mod spin;
mod tls;
pub mod variables;
