//! Waiting, always with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long to wait, and how often to ask meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest time from the first question to the last.
    pub limit: Duration,
    /// The time between two questions.
    pub interval: Duration,
}

impl Patience {
    /// For a process of this machine: anything here takes milliseconds, and 20 s is far above what a busy machine needs.
    pub const PROCESS: Self = Self::new(20_000, 2);

    /// For a time that is to be measured: good to a millisecond.
    pub const MEASUREMENT: Self = Self::new(60_000, 1);

    /// For a part of a cluster to start or to end, on a machine that compiles at the same time.
    pub const DAEMON: Self = Self::new(60_000, 50);

    /// For the application in a cluster: a rollout of three pods takes half a minute. Most questions start a program.
    pub const ROLLOUT: Self = Self::new(150_000, 100);

    /// For a load to send its requests, 100,000 at most.
    pub const LOAD: Self = Self::new(300_000, 50);

    const fn new(limit_ms: u64, interval_ms: u64) -> Self {
        Self { limit: Duration::from_millis(limit_ms), interval: Duration::from_millis(interval_ms) }
    }
}

/// Asks until there is an answer; `None` if there is none in time.
pub fn poll<T>(patience: Patience, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience.limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(patience.interval);
    }
}

/// Asks until there is an answer, and returns it. An error ends the wait.
///
/// # Errors
/// What `ask` fails with; or that there is no answer in time, which names `what` was waited for.
pub fn find<T>(what: &str, patience: Patience, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    match poll(patience, || ask().transpose()) {
        Some(answer) => answer,
        None => bail!("not within {:?}: {what}", patience.limit),
    }
}

/// Asks until there is an answer, and returns it. An error means that there is none yet; the last one is the reason if none comes.
///
/// # Errors
/// There is no answer in time, which names `what` was waited for.
pub fn find_despite_errors<T>(what: &str, patience: Patience, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let mut reason = String::new();
    let answer = poll(patience, || match ask() {
        Ok(answer) => answer,
        Err(error) => {
            reason = format!(": {error:#}");
            None
        }
    });
    match answer {
        Some(answer) => Ok(answer),
        None => bail!("not within {:?}: {what}{reason}", patience.limit),
    }
}

/// Asks until there is an answer, and returns it.
///
/// # Panics
/// If there is none within [`Patience::PROCESS`]; the message names `what` was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll(Patience::PROCESS, ask).unwrap_or_else(|| panic!("not within {:?}: {what}", Patience::PROCESS.limit))
}
