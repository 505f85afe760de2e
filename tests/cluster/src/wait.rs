//! Waiting, always with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How long anything may take that has no reason to take long, on a machine that compiles beside it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often [`until`] looks: often enough not to be felt, seldom enough not to be the load.
const INTERVAL: Duration = Duration::from_millis(50);

/// Asks until the answer is yes.
///
/// # Errors
/// What `ask` fails with; or that `what` was not within `patience`.
pub fn until(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !ask()? {
        if Instant::now() >= deadline {
            bail!("not within {} s: {what}", patience.as_secs());
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}
