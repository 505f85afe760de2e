//! Runs one Spin HTTP application as Spin would: the embedded runtime.
//!
//! Six steps, each a module:
//! 1. [`manifest`] reads `spin.toml`; what only Spin has is refused.
//! 2. [`variables`] gives the component's variables their values.
//! 3. `engine` compiles and links the component, through the [`cache`] of compiled code.
//! 4. [`server`] listens, with one thread per core; `connection` speaks HTTP; `service` decides who responds.
//! 5. `request` makes the request what Spin makes it; `guest` lets a fresh instance answer it.
//! 6. [`shutdown`] ends the server on a signal.

pub mod cache;
mod connection;
mod engine;
mod guest;
mod local_response;
mod log;
pub mod manifest;
pub mod options;
mod request;
pub mod server;
mod service;
pub mod shutdown;
mod spin;
mod tls;
pub mod variables;
