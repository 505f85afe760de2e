//! Runs one Spin HTTP application as Spin would: the embedded runtime.
//!
//! The steps of a server, each a module:
//! 1. [`manifest`] reads `spin.toml`, and refuses what only Spin has; [`variables`] gives the component's variables their values.
//! 2. [`engine`] is the compiler with its limits; [`cache`] keeps what it compiled.
//! 3. [`guest`] loads the component, and calls a fresh instance for each request; `keyvalue` is what outlives an instance.
//! 4. [`server`] listens, with one thread per core; `connection` speaks HTTP; `request` changes a request as Spin does; `service`
//!    makes the response.
//! 5. [`budget`] says how much of all this there may be at one time; `patience` how long a client may take.
//! 6. [`shutdown`] drains the server at a signal. [`log`] writes what the process prints.
//! 7. `observation` tells what becomes of each request; `failure` and `refusal` have the words for it. `metrics` counts, and
//!    [`telemetry`] sends traces and these counts to a collector.
//!
//! [`confinement`] is what the process gives up once it serves, with a [`syscall_filter`].

mod address;
pub mod budget;
pub mod cache;
pub mod confinement;
mod connection;
pub mod engine;
mod event;
mod failure;
pub mod guest;
mod keyvalue;
pub mod limits;
mod local_response;
pub mod log;
mod lost_spans;
pub mod manifest;
mod metrics;
mod named;
mod observation;
pub mod options;
mod patience;
mod refusal;
mod request;
pub mod server;
mod service;
pub mod shutdown;
mod spin;
pub mod syscall_filter;
pub mod telemetry;
mod tls;
pub mod variables;
