//! The line that says what a slow command does. On a terminal it is redrawn in place; otherwise a new line follows every ten seconds.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::cargo_output::Status;

/// How often to look: often enough for a clock that shows seconds.
pub const TICK: Duration = Duration::from_millis(200);

/// How often a line is printed if standard error is not a terminal, for example in CI.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Back to the beginning of the line, and no line break at the terminal's edge: a longer text is cut there.
const BEGIN: &str = "\r\x1b[?7l";

/// Removes what is left of a longer text, and allows line breaks again.
const END: &str = "\x1b[K\x1b[?7h";

/// How long a command that is usually fast runs before it gets a line.
const SLOW: Duration = Duration::from_secs(1);

/// The line of one command.
pub struct Progress {
    what: String,
    hint: String,
    start: Instant,
    is_terminal: bool,
    /// When the line was drawn or printed last; `None` if it was not yet.
    drawn: Option<Instant>,
    /// Whether the cursor is behind the first line, so that the end fits there.
    first_line_is_open: bool,
}

impl Progress {
    /// Prints what begins. `hint` says what to expect, for example how long it takes the first time.
    pub fn start(what: &str, hint: &str) -> Self {
        Self::since(Instant::now(), what, hint)
    }

    /// The same for a command that began at `start`.
    pub fn since(start: Instant, what: &str, hint: &str) -> Self {
        let mut progress = Self::only_if_slow(start, what, hint);
        progress.begin();
        progress
    }

    /// Prints nothing about a command that succeeds within a second.
    pub fn only_if_slow(start: Instant, what: &str, hint: &str) -> Self {
        let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
        let is_terminal = io::stderr().is_terminal();
        Self { what: what.to_owned(), hint, start, is_terminal, drawn: None, first_line_is_open: false }
    }

    fn begin(&mut self) {
        self.drawn = Some(Instant::now());
        if self.is_terminal {
            self.draw(&Status::Unknown);
        } else {
            eprint!("{}{} … ", self.what, self.hint);
            self.first_line_is_open = true;
        }
    }

    /// Shows how far the command is, if it is time to.
    pub fn update(&mut self, status: &Status) {
        let Some(drawn) = self.drawn else {
            if self.start.elapsed() >= SLOW {
                self.begin();
            }
            return;
        };
        let interval = if self.is_terminal { TICK } else { PLAIN_INTERVAL };
        if drawn.elapsed() < interval {
            return;
        }
        self.drawn = Some(Instant::now());
        if self.is_terminal {
            return self.draw(status);
        }
        if std::mem::take(&mut self.first_line_is_open) {
            eprintln!();
        }
        eprintln!("  {}", state(self.start.elapsed(), status));
    }

    /// Prints how the command ended, and returns how long it took.
    pub fn end(self, succeeded: bool) -> Duration {
        let took = self.start.elapsed();
        let end = if succeeded { seconds(took) } else { "failed".to_owned() };
        if succeeded && self.drawn.is_none() {
            return took;
        }
        if self.is_terminal {
            eprintln!("\r\x1b[K{} … {end}", self.what);
        } else if self.first_line_is_open {
            eprintln!("{end}");
        } else {
            eprintln!("{} … {end}", self.what);
        }
        took
    }

    fn draw(&self, status: &Status) {
        eprint!("{BEGIN}{}{}: {}{END}", self.what, self.hint, state(self.start.elapsed(), status));
        // Standard error is unbuffered today, but std does not promise it. The command goes on without its line.
        let _ = io::stderr().flush();
    }
}

/// The changing part of the line: `61 s, 120 of 233 crates: wasmtime, ring`.
fn state(elapsed: Duration, status: &Status) -> String {
    let time = format!("{} s", elapsed.as_secs());
    match status {
        Status::Unknown => time,
        Status::Waiting => format!("{time}, waiting for another cargo"),
        Status::Downloading => format!("{time}, downloading crates"),
        Status::Building { done, total, current } => format!("{time}, {done} of {total} crates: {current}"),
    }
}

/// A duration as the lines of progress show it: `61.2 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_long_and_how_far() {
        let after = |status| state(Duration::from_millis(61_900), &status);
        assert_eq!(after(Status::Unknown), "61 s");
        assert_eq!(after(Status::Waiting), "61 s, waiting for another cargo");
        let building = Status::Building { done: 120, total: 233, current: "wasmtime, ring".to_owned() };
        assert_eq!(after(building), "61 s, 120 of 233 crates: wasmtime, ring");
    }
}
