//! Lines about what may happen thousands of times a second: one a second at most, with their number.

use std::fmt::Arguments;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::line;

/// The least time between two lines of a limiter. A person can read that, and a log can keep it.
const INTERVAL: Duration = Duration::from_secs(1);

/// Limits the lines about one thing.
///
/// ```ignore
/// static REFUSED: Limiter = Limiter::new();
/// REFUSED.line(format_args!("{method} {path} 503: all instances are at work"));
/// ```
#[derive(Debug)]
pub(crate) struct Limiter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the last line was written.
    last: Option<Instant>,
    /// Lines that were left out since then.
    left_out: u64,
}

impl Limiter {
    /// For a `static`: one for each thing that may happen again and again.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State { last: None, left_out: 0 }))
    }

    /// Writes `message`, unless another one was written within the last second: then it is only counted. The next line has the number.
    pub(crate) fn line(&self, message: Arguments<'_>) {
        match self.admit(Instant::now()) {
            None => {}
            Some(0) => line(message),
            Some(left_out) => line(format_args!("{message} (and {left_out} more like this since the last such line)")),
        }
    }

    /// Whether a line may be written now; how many were left out before it.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            state.left_out += 1;
            return None;
        }
        let left_out = state.left_out;
        *state = State { last: Some(now), left_out: 0 };
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_has_the_number_of_those_that_were_left_out() {
        let limiter = Limiter::new();
        let start = Instant::now();
        let admitted = [0, 1, 999, 1000, 1500, 3000, 4500].map(|ms| limiter.admit(start + Duration::from_millis(ms)));
        assert_eq!(admitted, [Some(0), None, None, Some(2), None, Some(1), Some(0)]);
    }
}
