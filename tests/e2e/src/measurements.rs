//! What the tests measured.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;

/// For each test that ran: its name, how long it took, and what it measured.
#[derive(Default)]
pub struct Measurements(Mutex<Vec<(String, Duration, String)>>);

impl Measurements {
    /// Runs a test, and keeps its time and what it returns.
    pub fn time(&self, name: &str, test: impl FnOnce() -> Result<String>) -> Result<()> {
        let start = Instant::now();
        let outcome = test();
        let measured = outcome.as_ref().map_or_else(|_| "FAILED".to_owned(), String::clone);
        self.0.lock().expect("no thread panics while it has the lock").push((
            name.to_owned(),
            start.elapsed(),
            measured,
        ));
        outcome.map(drop)
    }
}

impl fmt::Display for Measurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, took, measured) in &*self.0.lock().expect("no thread panics while it has the lock") {
            writeln!(f, "{:>7.1} s  {name}\n           {measured}", took.as_secs_f64())?;
        }
        Ok(())
    }
}
