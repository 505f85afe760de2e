//! The shim's own process: it responds to containerd. It has threads, so it does not fork itself: [`crate::forks`] does.

mod bundle;
mod cleanup;
mod devices;
mod events;
mod home;
mod oom;
pub mod pod;
mod reaper;
mod rootfs;
mod rpc_error;
mod runtime_options;
mod stats;
mod task;
mod task_service;
mod tasks;
