//! Waiting, always with a deadline.

use std::time::Duration;

use anyhow::Result;
use test_support::wait::{self, Patience};

/// How long to wait for a part of the cluster.
pub const PATIENCE: Duration = Patience::DAEMON.limit;

/// Asks until the answer is yes.
///
/// # Errors
/// What `ask` fails with; or that `what` was not within `patience`.
pub fn until(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    find(what, patience, || Ok(ask()?.then_some(())))
}

/// Asks until there is an answer, and returns it.
///
/// # Errors
/// What `ask` fails with; or that `what` was not within `patience`.
pub fn find<T>(what: &str, patience: Duration, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    wait::find(what, Patience { limit: patience, ..Patience::DAEMON }, ask)
}
