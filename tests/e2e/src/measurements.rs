//! What each test measured.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;

/// A line for each test that ran: its time, and what it says.
#[derive(Default)]
pub struct Measurements(Mutex<Vec<(String, Duration, String)>>);

impl Measurements {
    /// Runs a test and keeps what it says.
    pub fn time(&self, name: &str, test: impl FnOnce() -> Result<String>) -> Result<()> {
        let start = Instant::now();
        let outcome = test();
        let said = outcome.as_ref().map_or_else(|_| "FAILED".to_owned(), String::clone);
        self.0.lock().expect("no test panics in here").push((name.to_owned(), start.elapsed(), said));
        outcome.map(drop)
    }
}

impl fmt::Display for Measurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, took, said) in &*self.0.lock().expect("no test panics in here") {
            writeln!(f, "{:>7.1} s  {name}\n           {said}", took.as_secs_f64())?;
        }
        Ok(())
    }
}
