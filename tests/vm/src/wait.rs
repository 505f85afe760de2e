//! Waiting, with an end.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How long anything may take here. An emulated processor is slow: a pod takes 2 s, and one whose component is compiled 8 s,
/// when the machine outside does nothing else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// What `look` finds, once it does; an error that says `what` was expected if that is not in time.
///
/// # Errors
/// If it is not in time, or `look` fails.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            bail!("{what}: not within {} s", PATIENCE.as_secs());
        }
        sleep(PAUSE);
    }
}
