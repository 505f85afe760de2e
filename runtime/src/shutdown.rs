//! The end of the process. The first SIGTERM or SIGINT drains the server, or ends a process that does not serve yet; the second one
//! ends the process.
//!
//! The signals are blocked in all threads, and a thread of its own takes them. So each one counts, whatever the other threads do: also
//! in a container, where the process is the first one of its namespace, for which the kernel drops every signal that is neither
//! blocked nor handled.

use std::ops::RangeInclusive;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{SigSet, Signal};

use crate::event::Event;
use crate::log;
use crate::server::{Running, Server};
use crate::telemetry::Telemetry;

/// How long after the time of the drain the process ends in any case: the threads that cut the connections may need as long to be
/// scheduled.
const RESERVE: Duration = Duration::from_millis(500);

/// How long telemetry may still be sent after the last request: as long as OpenTelemetry's libraries take by default, and no longer than
/// the drain. If requests took all of its time, a collector that is near takes what waits within the shorter time.
const FLUSH: RangeInclusive<Duration> = RESERVE..=Duration::from_secs(5);

/// How often it is looked for a signal meanwhile: a person does not see that it takes so long.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// The signals that end this process.
#[derive(Debug)]
pub struct Signals {
    sender: Sender<Event>,
    events: Receiver<Event>,
    serving: Arc<AtomicBool>,
}

/// Blocks the signals, in this thread and in those that it starts. From now on none is lost, and none has an effect before
/// [`Signals::watch`].
///
/// # Errors
/// The kernel refuses, which it does not do.
pub fn hold_signals() -> Result<()> {
    set().thread_block().context("cannot block signals")
}

fn set() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT].into_iter().collect()
}

impl Signals {
    /// Starts to watch for signals: to be called first, while there is one thread. Until [`run_until_signal`], a signal ends the
    /// process with 0.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn watch() -> Result<Self> {
        hold_signals()?;
        let (sender, events) = mpsc::channel();
        let serving = Arc::new(AtomicBool::new(false));
        let watcher = (sender.clone(), serving.clone());
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || watch(&watcher.0, &watcher.1)).context("cannot start a thread for signals")?;
        Ok(Self { sender, events, serving })
    }
}

/// The work of the thread.
fn watch(sender: &Sender<Event>, serving: &AtomicBool) {
    // The wait fails only for an invalid set.
    while let Ok(signal) = set().wait() {
        if !serving.load(Ordering::Relaxed) {
            log::line(format_args!("{signal}: ending before the server serves"));
            exit(0);
        }
        if sender.send(Event::Signal(signal)).is_err() {
            // The drain is over, and the last lines are being written.
            process::exit(128 + signal as i32);
        }
    }
}

/// Writes the last lines, and ends the process.
fn exit(code: i32) -> ! {
    log::flush();
    process::exit(code)
}

/// Serves until a signal, then drains. `started` is called once the server serves, and all its threads are there.
///
/// # Errors
/// `started` fails, a thread cannot be started or failed, or connections did not end within the server's drain timeout and were cut.
pub fn run_until_signal(signals: Signals, server: Server, started: impl FnOnce() -> Result<()>) -> Result<()> {
    let Signals { sender, events, serving } = signals;
    let mut running = server.start(&sender)?;
    let telemetry = running.telemetry.take();
    // Before `started` tells anybody that there is a server to drain.
    serving.store(true, Ordering::Relaxed);
    started()?;
    let mut deadline = None;
    let end = loop {
        match events.recv().context("no thread is left")? {
            // A thread ends before the signal only if it failed.
            Event::ThreadEnded(ended) => {
                if let Some(end) = running.ended(ended) {
                    break end;
                }
            }
            Event::Signal(signal) => {
                let end = deadline.insert(Instant::now() + running.drain_timeout + RESERVE);
                break drain(signal, &mut running, &events, *end);
            }
        }
    };
    if let Some(telemetry) = telemetry {
        let left = deadline.map_or(*FLUSH.end(), |deadline| deadline.saturating_duration_since(Instant::now()));
        flush(&telemetry, left.clamp(*FLUSH.start(), *FLUSH.end()), &events);
    }
    end
}

/// Sends the telemetry that waits, at most for `limit`.
fn flush(telemetry: &Telemetry, limit: Duration, events: &Receiver<Event>) {
    let deadline = Instant::now() + limit;
    telemetry.stop();
    while !telemetry.ends_within(SIGNAL_INTERVAL) {
        if let Ok(Event::Signal(signal)) = events.try_recv() {
            end_at_once(signal);
        }
        if Instant::now() >= deadline {
            return telemetry.give_up(limit);
        }
    }
}

/// The second signal.
fn end_at_once(signal: Signal) -> ! {
    log::line(format_args!("{signal}: ending at once"));
    exit(128 + signal as i32)
}

fn drain(signal: Signal, running: &mut Running, events: &Receiver<Event>, deadline: Instant) -> Result<()> {
    let limit = running.drain_timeout;
    log::line(format_args!("{signal}: draining for at most {limit:?}; another signal ends the process at once"));
    running.drain();
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::ThreadEnded(ended)) => {
                if let Some(end) = running.ended(ended) {
                    return end;
                }
            }
            Ok(Event::Signal(signal)) => end_at_once(signal),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(anyhow!("a serving thread did not end within {limit:?}, and its connections were cut"));
            }
        }
    }
}
