//! The output of a process, line by line, while it runs.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::wait::Patience;

/// The lines that a process has printed so far, on one of its streams or on both; a clone sees the same lines.
#[derive(Clone, Default)]
pub struct Output {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// How many streams have not ended.
    open: usize,
    /// Whether nothing more is read.
    paused: bool,
}

impl Output {
    /// Collects what comes out of `stream`, on a thread of its own that ends with the stream.
    pub fn collect(stream: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        output.follow(stream);
        output
    }

    /// Collects what comes out of `stream` as well; it has ended when all its streams have.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) {
        let collector = self.clone();
        collector.lock().open += 1;
        thread::spawn(move || {
            // `split` and not `lines`: a line that is not UTF-8 is shown, too.
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                collector.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                collector.shared.1.notify_all();
                let resumed = collector.shared.1.wait_while(collector.lock(), |state| state.paused);
                drop(resumed.unwrap_or_else(PoisonError::into_inner));
            }
            collector.lock().open -= 1;
            collector.shared.1.notify_all();
        });
    }

    /// Stands still from the next line on, so that the process finds the pipe full; or reads on.
    pub fn pause(&self, paused: bool) {
        self.lock().paused = paused;
        self.shared.1.notify_all();
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// All lines since the last call, which are forgotten: for a process that prints more than there is memory.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut self.lock().lines)
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Panics
    /// If the stream ends without it, or it does not come within [`Patience::PROCESS`].
    #[track_caller]
    pub fn line_with(&self, text: &str) -> String {
        let line = self.wait_for(|lines| lines.iter().find(|line| line.contains(text)).cloned());
        line.unwrap_or_else(|| panic!("no line with {text:?} in:\n{self}"))
    }

    /// Waits until `found` finds what it looks for; `None` if it has not when the stream ends or within [`Patience::PROCESS`].
    pub fn wait_for<T>(&self, found: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let undecided = |state: &mut State| state.open > 0 && found(&state.lines).is_none();
        let waited = self.shared.1.wait_timeout_while(self.lock(), Patience::PROCESS.limit, undecided);
        found(&waited.unwrap_or_else(PoisonError::into_inner).0.lines)
    }

    /// Waits until the stream has ended, and returns all of it.
    pub(crate) fn to_end(&self) -> String {
        let waited = self.shared.1.wait_timeout_while(self.lock(), Patience::PROCESS.limit, |state| state.open > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // After a panic in another thread a failed test can still print the lines.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last lines: what a failed test needs to see.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 50;
        let lines = self.lines();
        let hidden = lines.len().saturating_sub(SHOWN);
        if hidden > 0 {
            writeln!(f, "    … {hidden} lines before these")?;
        }
        lines[hidden..].iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}
