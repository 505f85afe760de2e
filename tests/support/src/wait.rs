//! Waiting, always with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that has no reason to take long; far above what a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often [`poll`] looks.
const INTERVAL: Duration = Duration::from_millis(2);

/// Asks until there is an answer, and returns it.
///
/// # Panics
/// If there is none within [`PATIENCE`]; the message names `what` was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll(ask).unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}"))
}

/// Asks until there is an answer; `None` if there is none within [`PATIENCE`].
pub(crate) fn poll<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(INTERVAL);
    }
}
