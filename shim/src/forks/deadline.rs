//! A limit to how long containerd's request may take in other processes. None of them may keep the shim from answering.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Fork;
use crate::cgroup::Groups;
use crate::ipc::{Reply, from_reply};
use crate::process;

/// How often a request looks whether it is still wanted.
const TICK: Duration = Duration::from_millis(100);

/// How long killed processes may take to end. The kernel needs milliseconds, unless they wait for a disk or a network file system.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// How many processes a message describes.
const DESCRIBED: usize = 3;

/// Until when a request may take, and whether it is still wanted.
pub struct Deadline {
    limit: Duration,
    end: Instant,
    unwanted: AtomicBool,
}

impl Deadline {
    /// This long from now.
    pub fn after(limit: Duration) -> Self {
        Self { limit, end: Instant::now() + limit, unwanted: AtomicBool::new(false) }
    }

    /// Nobody wants the result any more.
    pub fn give_up(&self) {
        self.unwanted.store(true, Ordering::Relaxed);
    }

    /// Whether nobody wants the result any more.
    pub fn is_given_up(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed)
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// How long the request may take.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Waits until the other end of `ended` is dropped. Returns whether the request must end before.
    pub fn must_end_before(&self, ended: &Receiver<Infallible>) -> bool {
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            if self.reason().is_some() {
                return true;
            }
        }
        false
    }

    /// Why the request must end now, if it must.
    fn reason(&self) -> Option<String> {
        if self.is_given_up() {
            return Some("it was killed or deleted meanwhile".to_owned());
        }
        self.is_over().then(|| format!("it took more than {:.1} s", self.limit.as_secs_f64()))
    }

    /// Runs `act` in a new process, which ends afterwards. If that takes too long, kills the process, what it started, and
    /// everything in `groups`.
    ///
    /// # Errors
    /// There can be no new process, `act` failed, or it took too long: then the error says in what the processes hung.
    pub fn run<A, T>(&self, act: fn(A) -> Reply<T>, arguments: A, groups: Option<&Groups>) -> Result<T>
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        if let Some(reason) = self.reason() {
            bail!(reason);
        }
        let fork = Arc::new(super::spawn()?);
        let (sender, receiver) = mpsc::sync_channel(1);
        let worker = Arc::clone(&fork);
        let run = move || drop(sender.send(worker.try_run(act, arguments)));
        thread::Builder::new().spawn(run).context("cannot start a thread")?;
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(reply) => return from_reply(reply),
                Err(RecvTimeoutError::Disconnected) => bail!("the connection to another process of the shim broke"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(reason) = self.reason() {
                let stuck = fork.stuck(groups);
                fork.kill_group();
                if let Some(groups) = groups {
                    groups.kill(KILL_TIMEOUT)?;
                }
                // Its end closes the last connection to it.
                let _ = receiver.recv_timeout(KILL_TIMEOUT);
                bail!("{reason}; it hung in {stuck}");
            }
        }
    }
}

impl Fork {
    /// What the processes wait for: those in `groups` and those that the fork started. The fork only waits for them.
    fn stuck(&self, groups: Option<&Groups>) -> String {
        let own = self.process.pid();
        let mut pids = groups.map(Groups::pids).unwrap_or_default();
        pids.extend(process::in_group(own).into_iter().filter(|&pid| pid != own));
        if pids.is_empty() {
            pids.push(own);
        }
        pids.into_iter().take(DESCRIBED).map(process::describe).collect::<Vec<_>>().join(", ")
    }

    /// Kills the process, and what it started.
    fn kill_group(&self) {
        // As long as the process lives, its number is that of no other group.
        if !self.process.has_ended() {
            let group = Pid::from_raw(self.process.pid()).expect("a process has a number above 0");
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
