//! The container's own process, from its last checks to its end. It starts no second thread before its privileges are checked.

pub mod executor;
mod exit;
mod linux_program;
mod privileges;
mod runtime_config;
pub mod spin_app;
