//! Lines about what may happen thousands of times a second: one a second at most, or one a minute, with their number.

use std::fmt::Arguments;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::writer::{Reminder, remind};
use super::{line, text};

/// The least time between two lines of a limiter. A person can read that, and a log can keep it.
const SECOND: Duration = Duration::from_secs(1);

/// The same for what may go on for days, and of which one line says all.
const MINUTE: Duration = Duration::from_secs(60);

/// Limits the lines about one thing. The first is written at once. Those that come within a second, or a minute, are counted, and one
/// line tells of them at the end of that time.
///
/// ```text
/// static REFUSED: Limiter = Limiter::new("requests refused with 503");
/// REFUSED.line(format_args!("{method} {path} 503: all instances are at work"));
/// ```
#[derive(Debug)]
pub(crate) struct Limiter {
    /// What is counted, in the plural.
    what: &'static str,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    /// When the last line was written.
    last: Option<Instant>,
    /// Lines that were left out since then.
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Written,
    /// Counted. If it is the first one, a line tells of it and of those that follow it at that time.
    LeftOut(Option<Instant>),
}

impl Limiter {
    /// For a `static`: one for each thing that may happen again and again. `what` is in the plural, such as `requests refused`.
    pub(crate) const fn new(what: &'static str) -> Self {
        Self::with(SECOND, what)
    }

    /// The same for a line a minute.
    pub(crate) const fn each_minute(what: &'static str) -> Self {
        Self::with(MINUTE, what)
    }

    const fn with(interval: Duration, what: &'static str) -> Self {
        Self { what, interval, state: Mutex::new(State { last: None, left_out: 0 }) }
    }

    /// Writes `message`, unless there was a line within that time: then it is only counted.
    pub(crate) fn line(&'static self, message: Arguments<'_>) {
        match self.admit(Instant::now()) {
            Verdict::Written => line(message),
            Verdict::LeftOut(None) => {}
            Verdict::LeftOut(Some(until)) => remind(until, self),
        }
    }

    fn admit(&self, now: Instant) -> Verdict {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.last {
            // If lines are left out, the next one is that with their number.
            Some(last) if state.left_out > 0 || now.duration_since(last) < self.interval => {
                state.left_out += 1;
                Verdict::LeftOut((state.left_out == 1).then_some(last + self.interval))
            }
            _ => {
                state.last = Some(now);
                Verdict::Written
            }
        }
    }
}

impl Reminder for Limiter {
    /// The line that tells of those that were left out.
    fn rest(&self, now: Instant) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { left_out, .. } = std::mem::replace(&mut *state, State { last: Some(now), left_out: 0 });
        let time = if self.interval == MINUTE { "minute" } else { "second" };
        (left_out > 0).then(|| text::line(format_args!("{left_out} more {} within the last {time}", self.what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_line_the_others_are_counted_until_one_tells_of_them() {
        let limiter = Limiter::new("things");
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(limiter.admit(at(0)), Verdict::Written);
        assert_eq!(limiter.admit(at(1)), Verdict::LeftOut(Some(at(1000))));
        assert_eq!(limiter.admit(at(999)), Verdict::LeftOut(None));
        assert_eq!(limiter.admit(at(1001)), Verdict::LeftOut(None), "the one that tells of them is late");
        assert_eq!(limiter.rest(at(1002)).unwrap(), "httpserver: 3 more things within the last second\n");
        assert_eq!(limiter.admit(at(1500)), Verdict::LeftOut(Some(at(2002))), "that was a line, too");
        assert_eq!(limiter.rest(at(2002)).unwrap(), "httpserver: 1 more things within the last second\n");
        assert_eq!(limiter.admit(at(4000)), Verdict::Written);
        assert_eq!(limiter.rest(at(5000)), None);
    }

    #[test]
    fn a_line_a_minute_tells_of_those_of_that_minute() {
        let limiter = Limiter::each_minute("things");
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(limiter.admit(at(0)), Verdict::Written);
        assert_eq!(limiter.admit(at(59)), Verdict::LeftOut(Some(at(60))));
        assert_eq!(limiter.rest(at(60)).unwrap(), "httpserver: 1 more things within the last minute\n");
        assert_eq!(limiter.admit(at(121)), Verdict::Written);
    }
}
