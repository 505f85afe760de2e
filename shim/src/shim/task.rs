//! A container from containerd's view: its state, and how it ended.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use containerd_shim::TtrpcResult;
use containerd_shim::monitor::{Subscription, Topic, monitor_subscribe, wait_pid};
use containerd_shim::protos::events::task::{TaskExit, TaskOOM, TaskStart};
use containerd_shim::protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim::protos::ttrpc::Code;

use crate::builder::container::{Container, CreateOptions, Stdio};
use crate::shim::devices::{self, Rules};
use crate::shim::events::Events;
use crate::shim::oom::OomKills;
use crate::shim::{rootfs, rpc_error};

const SIGKILL: u32 = libc::SIGKILL.cast_unsigned();

/// How long a process may take to end after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// One container: a Spin application or an ordinary Linux one.
pub struct Task {
    /// Its name.
    pub id: String,
    /// The folder with its `config.json`.
    pub bundle: PathBuf,
    /// Its stdin, stdout and stderr.
    pub stdio: Stdio,
    /// Its first process.
    pub pid: i32,
    container: Container,
    state: Mutex<State>,
    ended: Condvar,
}

/// The state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its process waits to be started.
    Created,
    /// It was started.
    Running,
    /// Its process ended.
    Stopped(Exit),
}

/// How a container's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, or 128 plus the number of the signal that ended it, in the notation of shells.
    pub code: u32,
    /// When it ended.
    pub at: DateTime<Utc>,
}

impl State {
    /// How it ended, if it did.
    pub fn exit(self) -> Option<Exit> {
        match self {
            Self::Created | Self::Running => None,
            Self::Stopped(exit) => Some(exit),
        }
    }
}

impl Task {
    /// Builds the container, restricts it to these devices, and watches its process.
    pub fn create(options: CreateOptions, devices: &Rules, events: Arc<Events>) -> anyhow::Result<Arc<Self>> {
        // The shim reaps all children and reports them here. Subscribed before there is a process, so that no end is missed.
        let reaped = monitor_subscribe(Topic::Pid)?;
        let (id, bundle, stdio) = (options.id.clone(), options.bundle.clone(), options.stdio.clone());
        let container = Container::build(options)?;
        let pid = container.pid()?;
        if let Err(error) = restrict(pid, devices) {
            container.delete().context(format!("{error:#}; and the container cannot be removed"))?;
            return Err(error);
        }
        let kills = OomKills::for_process(pid);
        let (state, ended) = (Mutex::new(State::Created), Condvar::new());
        let task = Arc::new(Self { id, bundle, stdio, pid, container, state, ended });
        let watched = Arc::clone(&task);
        thread::spawn(move || watched.watch(reaped, &kills, &events));
        Ok(task)
    }

    fn watch(&self, reaped: Subscription, kills: &OomKills, events: &Events) {
        let code = wait_pid(self.pid, reaped).cast_unsigned();
        let exit = Exit { code, at: Utc::now() };
        if kills.any() {
            events.publish(TaskOOM { container_id: self.id.clone(), ..TaskOOM::default() });
            // Before the end is reported: a client that asks for the reason afterwards must find it.
            events.flush();
        }
        let mut state = self.lock();
        *state = State::Stopped(exit);
        // Under the lock, as the start was: so containerd gets both events in their order.
        events.publish(TaskExit {
            container_id: self.id.clone(),
            id: self.id.clone(),
            pid: self.pid.cast_unsigned(),
            exit_status: code,
            exited_at: Some(to_timestamp(exit.at)).into(),
            ..TaskExit::default()
        });
        self.ended.notify_all();
    }

    /// Lets the container's process continue.
    pub fn start(&self, events: &Events) -> TtrpcResult<()> {
        let mut state = self.lock();
        if *state != State::Created {
            return Err(self.precondition("was started before"));
        }
        self.container.start().map_err(|error| rpc_error::internal(&error))?;
        *state = State::Running;
        events.publish(TaskStart {
            container_id: self.id.clone(),
            pid: self.pid.cast_unsigned(),
            ..TaskStart::default()
        });
        Ok(())
    }

    /// Its state.
    pub fn state(&self) -> State {
        *self.lock()
    }

    /// Waits for its end.
    pub fn wait(&self) -> Exit {
        let mut state = self.lock();
        loop {
            if let State::Stopped(exit) = *state {
                return exit;
            }
            state = self.ended.wait(state).expect("nothing panics under this lock");
        }
    }

    /// Sends `signal` to the container's first process, or to `all` of them.
    pub fn kill(&self, signal: u32, all: bool) -> TtrpcResult<()> {
        let ended = || rpc_error::error(Code::NOT_FOUND, format!("the process of container {} ended already", self.id));
        if self.state().exit().is_some() {
            return Err(ended());
        }
        // The process may end meanwhile.
        let killed = self.container.kill(signal, all);
        killed.map_err(|error| if self.state().exit().is_some() { ended() } else { rpc_error::internal(&error) })
    }

    /// All processes of a container that has not ended.
    pub fn pids(&self) -> TtrpcResult<Vec<u32>> {
        // An error, and not an empty list or "not found": when containerd starts and finds a container without processes, it removes
        // the container, and the exit code would be lost.
        self.alive()?;
        let mut pids = self.container.pids().unwrap_or_else(|error| {
            log::warn!("cannot list the processes of {}: {error:#}", self.id);
            Vec::new()
        });
        if !pids.contains(&self.pid) {
            pids.insert(0, self.pid);
        }
        Ok(pids.into_iter().map(i32::cast_unsigned).collect())
    }

    /// Sets the limits that `resources`, the OCI spec's as JSON, names.
    pub fn update(&self, resources: Vec<u8>) -> TtrpcResult<()> {
        self.alive()?;
        self.container.update(resources).map_err(|error| rpc_error::internal(&error))
    }

    /// Removes the container, unless it runs.
    pub fn delete(&self) -> TtrpcResult<()> {
        match self.state() {
            State::Running => return Err(self.precondition("still runs; kill it first")),
            State::Created => {
                self.container.kill(SIGKILL, false).map_err(|error| rpc_error::internal(&error))?;
                let running = |state: &mut State| state.exit().is_none();
                drop(self.ended.wait_timeout_while(self.lock(), KILL_TIMEOUT, running));
            }
            State::Stopped(_) => {}
        }
        self.container.delete().map_err(|error| rpc_error::internal(&error))
    }

    /// # Errors
    /// Its process has ended.
    pub fn alive(&self) -> TtrpcResult<()> {
        if self.state().exit().is_none() { Ok(()) } else { Err(self.precondition("does not run any more")) }
    }

    fn precondition(&self, why: &str) -> containerd_shim::protos::ttrpc::Error {
        rpc_error::error(Code::FAILED_PRECONDITION, format!("container {} {why}", self.id))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

/// Adds the restrictions that libcontainer does not make, before the process `pid` runs anything of its container's image.
fn restrict(pid: i32, rules: &Rules) -> anyhow::Result<()> {
    devices::restrict(pid, rules)?;
    rootfs::forbid_devices(pid)
}

/// Converts `time` to the type of containerd's messages.
pub fn to_timestamp(time: DateTime<Utc>) -> Timestamp {
    let nanos = time.timestamp_subsec_nanos().cast_signed();
    Timestamp { seconds: time.timestamp(), nanos, ..Timestamp::default() }
}
