//! The thread that writes. It alone waits for the readers of standard output and standard error.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::queue::{Queue, Stream};

/// The most bytes of one write. A pipe takes that many at once (PIPE_BUF): lines of several processes do not mix, and a pipe that is
/// ready to be written to does not let the writer wait.
const PIECE: usize = 4096;

/// How long the thread rests when it has written everything, before it sleeps. Within that time no request has to wake it, and many
/// lines become one write.
const REST: Duration = Duration::from_millis(1);

/// How long the thread waits for the reader of one stream before it looks again for lines for the other one.
const STUCK: Duration = Duration::from_millis(50);

/// How long a reader may take nothing at the end of the process before its lines are given up, and how long it may take for all of
/// them. Kubernetes kills a pod that takes longer than its grace period, and then more would be lost.
const STALL: Duration = Duration::from_millis(500);
const FLUSH: Duration = Duration::from_secs(1);

/// The lines of this process.
static LOG: Log = Log {
    started: AtomicBool::new(false),
    state: Mutex::new(State { queue: Queue::new(), reminders: Vec::new(), asleep: false, flushing: false, written: 0 }),
    wake: Condvar::new(),
    progress: Condvar::new(),
};

struct Log {
    /// Whether there is a thread. Without it, lines are written at once.
    started: AtomicBool,
    state: Mutex<State>,
    /// There is work for a thread that is asleep.
    wake: Condvar,
    /// There were fewer bytes to write, while the process is about to end.
    progress: Condvar,
}

struct State {
    queue: Queue,
    /// Who may write a line, and when.
    reminders: Vec<(Instant, &'static dyn Reminder)>,
    /// Whether the thread waits to be woken.
    asleep: bool,
    /// Whether the process is about to end.
    flushing: bool,
    /// Pieces that have left the queue.
    written: u64,
}

/// Who has a line to write later.
pub(super) trait Reminder: Sync {
    /// Its line, if it still has one at that time.
    fn rest(&self, now: Instant) -> Option<String>;
}

/// Starts the thread. Before, lines are written by whoever has them, as in the processes of the shim that only prepare a container.
///
/// # Errors
/// A thread cannot be started.
pub fn start() -> io::Result<()> {
    if !LOG.started.load(Ordering::Acquire) {
        thread::Builder::new().name("log".to_owned()).spawn(|| LOG.run())?;
        LOG.started.store(true, Ordering::Release);
    }
    Ok(())
}

/// Gives whole lines to the thread; never waits for a reader.
///
/// # Errors
/// The last write to the stream failed.
pub(crate) fn push(stream: Stream, lines: &[u8]) -> io::Result<()> {
    if !LOG.started.load(Ordering::Acquire) {
        return match stream {
            Stream::Stdout => io::stdout().lock().write_all(lines),
            Stream::Stderr => io::stderr().lock().write_all(lines),
        };
    }
    let mut state = LOG.lock();
    let pushed = state.queue.push(stream, lines);
    LOG.wake(state);
    pushed
}

/// How many lines were dropped since the start, by stream.
pub(crate) fn dropped() -> [(&'static str, u64); 2] {
    let state = LOG.lock();
    [("stdout", state.queue.dropped(Stream::Stdout)), ("stderr", state.queue.dropped(Stream::Stderr))]
}

/// Asks `reminder` for its line at that time.
pub(super) fn remind(at: Instant, reminder: &'static dyn Reminder) {
    let mut state = LOG.lock();
    state.reminders.push((at, reminder));
    LOG.wake(state);
}

/// Waits until all lines are written; called before the process ends. A reader that stands still loses its lines, and standard
/// error is told how many.
pub fn flush() {
    if !LOG.started.load(Ordering::Acquire) {
        return;
    }
    let mut state = LOG.lock();
    let now = Instant::now();
    state.remind(now + Duration::from_hours(1));
    state.flushing = true;
    state = LOG.flush(state, now + FLUSH, Queue::is_empty);
    if state.queue.has(Stream::Stdout) && !state.queue.has(Stream::Stderr) {
        state.queue.tell_lost(Stream::Stdout);
        drop(LOG.flush(state, Instant::now() + STALL, |queue| !queue.has(Stream::Stderr)));
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done with the lock can leave half a change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if state.asleep {
            state.asleep = false;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Waits until the queue is `done`, for as long as it shrinks, and at most until `deadline`.
    fn flush<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        deadline: Instant,
        done: fn(&Queue) -> bool,
    ) -> MutexGuard<'a, State> {
        let mut moved = Instant::now();
        let mut written = state.written;
        while !done(&state.queue) {
            let until = deadline.min(moved + STALL);
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            state = self.progress.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            if state.written != written {
                (moved, written) = (Instant::now(), state.written);
            }
        }
        state
    }

    /// The work of the thread.
    fn run(&self) -> ! {
        let mut piece = [0; PIECE];
        loop {
            let (oldest, other) = self.next();
            let stream = if is_ready(oldest, Duration::ZERO) {
                oldest
            } else if let Some(other) = other.filter(|&other| is_ready(other, Duration::ZERO)) {
                other
            } else {
                is_ready(oldest, STUCK);
                continue;
            };
            let length = self.lock().queue.copy(stream, &mut piece);
            let (length, error) = write(stream, &piece[..length]);
            let mut state = self.lock();
            state.queue.remove(stream, length, error);
            state.written += 1;
            let idle = state.queue.is_empty();
            if state.flushing {
                self.progress.notify_all();
            }
            drop(state);
            if idle {
                thread::sleep(REST);
            }
        }
    }

    /// Sleeps until there is something to write. Returns whose turn it is, and the other stream if something waits for that, too.
    fn next(&self) -> (Stream, Option<Stream>) {
        let mut state = self.lock();
        loop {
            if !state.reminders.is_empty() {
                state.remind(Instant::now());
            }
            if let Some(oldest) = state.queue.oldest() {
                let other = oldest.other();
                return (oldest, state.queue.has(other).then_some(other));
            }
            state.asleep = true;
            state = match state.reminders.iter().map(|(at, _)| *at).min() {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.asleep = false;
        }
    }
}

impl State {
    /// Takes the lines of those whose time has come.
    fn remind(&mut self, now: Instant) {
        for (_, reminder) in self.reminders.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>() {
            if let Some(line) = reminder.rest(now) {
                // Nobody needs to know of the line before.
                let _ = self.queue.push(Stream::Stderr, line.as_bytes());
            }
        }
    }
}

/// Whether a piece can be written without waiting, within `limit`; also if the write will fail.
fn is_ready(stream: Stream, limit: Duration) -> bool {
    let ask = |descriptor: BorrowedFd<'_>| {
        let mut descriptors = [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)];
        let limit = Timespec::try_from(limit).expect("a time of milliseconds");
        // An error is one of memory or a signal: it is asked again.
        poll(&mut descriptors, Some(&limit)).is_ok_and(|ready| ready > 0)
    };
    match stream {
        Stream::Stdout => ask(io::stdout().as_fd()),
        Stream::Stderr => ask(io::stderr().as_fd()),
    }
}

/// Writes what the reader takes. Returns how many bytes are done with, and why they were not written, if they were not.
fn write(stream: Stream, bytes: &[u8]) -> (usize, Option<i32>) {
    // Past the buffer of std, which would be one more place where lines wait.
    let written = match stream {
        Stream::Stdout => rustix::io::write(io::stdout(), bytes),
        Stream::Stderr => rustix::io::write(io::stderr(), bytes),
    };
    match written {
        Ok(written) => (written, None),
        Err(Errno::INTR) => (0, None),
        // Somebody else has made it nonblocking, and filled it since it was ready.
        Err(Errno::AGAIN) => {
            thread::sleep(REST);
            (0, None)
        }
        // Nobody reads.
        Err(error) => (bytes.len(), Some(error.raw_os_error())),
    }
}
