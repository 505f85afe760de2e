//! Waiting, always with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take that has no reason to take long, on a machine that compiles beside it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often is asked: often enough not to be felt, seldom enough not to be the load.
const INTERVAL: Duration = Duration::from_millis(50);

/// Asks until the answer is yes.
///
/// # Errors
/// What `ask` fails with; or that `what` was not within `patience`.
pub fn until(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    find(what, patience, || Ok(ask()?.then_some(())))
}

/// Looks until there is something, and returns it.
///
/// # Errors
/// What `look` fails with; or that `what` was not within `patience`.
pub fn find<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("not within {} s: {what}", patience.as_secs());
        }
        thread::sleep(INTERVAL);
    }
}
