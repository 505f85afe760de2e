//! A container from containerd's view: its state, and how it ended.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use containerd_shim::TtrpcResult;
use containerd_shim::monitor::{Subscription, Topic, monitor_subscribe, wait_pid};
use containerd_shim::protos::cgroups::metrics::Metrics;
use containerd_shim::protos::events::task::{TaskExit, TaskOOM, TaskStart};
use containerd_shim::protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim::protos::ttrpc::{Code, Error};
use oci_spec::runtime::{Hook, LinuxResources, Spec};
use rustix::event::{PollFd, PollFlags, poll};

use crate::builder::container::{self, CreateOptions, Stdio};
use crate::cgroup::Groups;
use crate::forks::Deadline;
use crate::ipc::to_reply;
use crate::process::{Process, SIGKILL, SIGNALS};
use crate::shim::devices::{self, Rules};
use crate::shim::events::Events;
use crate::shim::oom::OomKills;
use crate::shim::{cleanup, rootfs, rpc_error, stats};

/// How long processes may take to end after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the hooks after the start may take. The kubelet waits for 2 min.
const HOOKS_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an update and a removal may take. They need some ms, unless systemd is busy.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One container: a Spin application or an ordinary Linux one.
pub struct Task {
    /// Its name.
    pub id: String,
    /// The folder with its `config.json`.
    pub bundle: PathBuf,
    /// Its stdin, stdout and stderr.
    pub stdio: Stdio,
    /// The number of its first process.
    pub pid: i32,
    process: Process,
    groups: Groups,
    /// The folder of libcontainer.
    folder: PathBuf,
    poststart: Vec<Hook>,
    life: Mutex<Life>,
    ended: Condvar,
}

struct Life {
    state: State,
    /// Whether containerd was told of its end, and before that of kills for its memory.
    is_reported: bool,
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
    /// Builds the container in `groups`, adds the restrictions of `spec` that libcontainer does not make, and watches its process,
    /// which has run nothing of its image by then.
    ///
    /// # Errors
    /// A step fails, or the deadline is over; then nothing of the container is left.
    pub fn create(
        options: CreateOptions,
        groups: Groups,
        spec: &Spec,
        deadline: &Deadline,
        events: Arc<Events>,
    ) -> anyhow::Result<Arc<Self>> {
        let folder = options.state.clone();
        let created = Self::try_create(options, groups.clone(), spec, deadline, events);
        created.map_err(|error| match remove(&groups, &folder) {
            Ok(()) => error,
            Err(left) => error.context(format!("the container cannot be removed: {left:#}")),
        })
    }

    fn try_create(
        options: CreateOptions,
        groups: Groups,
        spec: &Spec,
        deadline: &Deadline,
        events: Arc<Events>,
    ) -> anyhow::Result<Arc<Self>> {
        let devices = Rules::from_spec(spec)?;
        let poststart = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().clone()).unwrap_or_default();
        // The reaper reports all children here. Subscribed before there is a process, so that no end is missed.
        let reaped = monitor_subscribe(Topic::Pid)?;
        let (id, bundle, stdio) = (options.id.clone(), options.bundle.clone(), options.stdio.clone());
        let folder = options.state.clone();
        let pid = container::build(options, &groups, deadline).context("cannot build the container")?;
        let process = Process::open(pid).context("the container's process has ended")?;
        devices::restrict(pid, &devices)?;
        rootfs::forbid_devices(pid, deadline)?;
        if let Some(resources) = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()) {
            groups.add_unknown(resources)?;
        }
        let kills = OomKills::for_process(pid);
        let kills = kills.inspect_err(|error| log::warn!("no out-of-memory kill of {id} will be seen: {error:#}")).ok();
        let life = Mutex::new(Life { state: State::Created, is_reported: false });
        let ended = Condvar::new();
        let task = Arc::new(Self { id, bundle, stdio, pid, process, groups, folder, poststart, life, ended });
        let watched = Arc::clone(&task);
        let watch = move || watched.watch(reaped, kills, &events);
        thread::Builder::new().name("watch".to_owned()).spawn(watch).context("cannot watch the container's process")?;
        Ok(task)
    }

    fn watch(&self, reaped: Subscription, mut kills: Option<OomKills>, events: &Events) {
        let mut were_kills = false;
        loop {
            let has_ended = self.wait_for_change(kills.as_ref());
            were_kills |= self.report_kills(kills.as_mut(), events);
            if has_ended {
                break;
            }
        }
        let code = wait_pid(self.pid, reaped).cast_unsigned();
        let exit = Exit { code, at: Utc::now() };
        // What it leaves behind in a namespace of processes that the pod shares. In its own the kernel has killed everything.
        if let Err(error) = self.groups.kill(KILL_TIMEOUT) {
            log::warn!("container {}: {error:#}", self.id);
        }
        self.lock().state = State::Stopped(exit);
        if were_kills {
            // Before the end is reported: a client that asks for the reason afterwards must find it.
            events.flush();
        }
        // Under the lock, as the start was: so containerd gets both events in their order.
        let mut life = self.lock();
        events.publish(TaskExit {
            container_id: self.id.clone(),
            id: self.id.clone(),
            pid: self.pid.cast_unsigned(),
            exit_status: code,
            exited_at: Some(to_timestamp(exit.at)).into(),
            ..TaskExit::default()
        });
        life.is_reported = true;
        self.ended.notify_all();
    }

    /// Waits until the process has ended, which returns true, or the kernel may have killed something for its memory.
    fn wait_for_change(&self, kills: Option<&OomKills>) -> bool {
        let mut events = vec![PollFd::new(&self.process, PollFlags::IN)];
        events.extend(kills.map(|kills| PollFd::new(kills, PollFlags::IN)));
        // It is interrupted by no signal: the shim blocks or handles them elsewhere. Then it only looks again.
        let _ = poll(&mut events, None);
        events[0].revents().contains(PollFlags::IN)
    }

    fn report_kills(&self, kills: Option<&mut OomKills>, events: &Events) -> bool {
        let any = kills.is_some_and(OomKills::any_new);
        if any {
            events.publish(TaskOOM { container_id: self.id.clone(), ..TaskOOM::default() });
        }
        any
    }

    /// Lets the container's process continue.
    pub fn start(&self, events: &Events) -> TtrpcResult<()> {
        {
            let mut life = self.lock();
            if life.state != State::Created {
                return Err(self.precondition("was started before"));
            }
            container::start(&self.folder).map_err(|error| rpc_error::internal(&error))?;
            life.state = State::Running;
            events.publish(TaskStart {
                container_id: self.id.clone(),
                pid: self.pid.cast_unsigned(),
                ..TaskStart::default()
            });
        }
        if self.poststart.is_empty() {
            return Ok(());
        }
        // Without the lock: a hook may take long, and the container can be killed meanwhile.
        let deadline = Deadline::after(HOOKS_TIMEOUT);
        let run = container::run_poststart_hooks(self.folder.clone(), self.poststart.clone(), &deadline);
        run.map_err(|error| rpc_error::internal(&error))
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.lock().state
    }

    /// Waits for its end.
    pub fn wait(&self) -> Exit {
        let mut life = self.lock();
        loop {
            if let (State::Stopped(exit), true) = (life.state, life.is_reported) {
                return exit;
            }
            life = self.ended.wait(life).expect("nothing panics under this lock");
        }
    }

    /// Sends `signal` to the container's first process, or to `all` of them. Needs no other process of the shim.
    pub fn kill(&self, signal: u32, all: bool) -> TtrpcResult<()> {
        if !SIGNALS.contains(&signal) {
            let message = format!("invalid signal \"{signal}\": expected a number of Linux, 1 to 64, such as 15");
            return Err(rpc_error::error(Code::INVALID_ARGUMENT, message));
        }
        let ended = || rpc_error::error(Code::NOT_FOUND, format!("the process of container {} ended already", self.id));
        if all {
            return if self.groups.send(signal) > 0 { Ok(()) } else { Err(ended()) };
        }
        self.process.send(signal).map_err(|error| match error.raw_os_error() {
            Some(libc::ESRCH) => ended(),
            _ => rpc_error::internal(&error.into()),
        })
    }

    /// All processes of a container that has not ended.
    pub fn pids(&self) -> TtrpcResult<Vec<u32>> {
        // An error, and not an empty list or "not found": when containerd starts and finds a container without processes, it removes
        // the container, and the exit code would be lost.
        self.alive()?;
        let mut pids = self.groups.pids();
        if !pids.contains(&self.pid) {
            pids.insert(0, self.pid);
        }
        Ok(pids.into_iter().map(i32::cast_unsigned).collect())
    }

    /// What it uses.
    pub fn stats(&self) -> TtrpcResult<Metrics> {
        self.alive()?;
        stats::collect(self.pid).map_err(|error| rpc_error::internal(&error))
    }

    /// Sets the limits that `resources`, the OCI spec's as JSON, names.
    pub fn update(&self, resources: &[u8]) -> TtrpcResult<()> {
        self.alive()?;
        let mut resources: LinuxResources = serde_json::from_slice(resources).map_err(|error| {
            let message = format!("invalid resources: expected the OCI spec's `linux.resources` as JSON: {error}");
            rpc_error::error(Code::INVALID_ARGUMENT, message)
        })?;
        // containerd sends them all, also those that cannot change: the devices were restricted before the start, and for a moment
        // none could be opened.
        resources.set_devices(None);
        let update = |(groups, resources): (Groups, LinuxResources)| to_reply(groups.update(resources));
        let updated = Deadline::after(TIMEOUT).run(update, (self.groups.clone(), resources), None);
        updated.map_err(|error| rpc_error::internal(&error.context(format!("cannot update container {}", self.id))))
    }

    /// Removes the container, unless it runs.
    pub fn delete(&self) -> TtrpcResult<()> {
        match self.state() {
            State::Running => return Err(self.precondition("still runs; kill it first")),
            State::Created => {
                // It may end meanwhile.
                let _ = self.process.send(SIGKILL);
                let running = |life: &mut Life| life.state.exit().is_none();
                drop(self.ended.wait_timeout_while(self.lock(), KILL_TIMEOUT, running));
            }
            State::Stopped(_) => {}
        }
        remove(&self.groups, &self.folder).map_err(|error| rpc_error::internal(&error))
    }

    /// Ends a container that nobody wants, and removes it.
    pub fn discard(&self) -> anyhow::Result<()> {
        self.groups.kill(KILL_TIMEOUT)?;
        remove(&self.groups, &self.folder)
    }

    /// # Errors
    /// Its process has ended.
    fn alive(&self) -> TtrpcResult<()> {
        if self.state().exit().is_none() { Ok(()) } else { Err(self.precondition("does not run any more")) }
    }

    fn precondition(&self, why: &str) -> Error {
        rpc_error::error(Code::FAILED_PRECONDITION, format!("container {} {why}", self.id))
    }

    fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().expect("nothing panics under this lock")
    }
}

/// Removes a container in a process of its own, since systemd and hooks may hang.
fn remove(groups: &Groups, folder: &Path) -> anyhow::Result<()> {
    let remove = |(groups, folder): (Groups, PathBuf)| to_reply(cleanup::remove(&groups, &folder).map(drop));
    let deadline = Deadline::after(TIMEOUT);
    let removed = deadline.run(remove, (groups.clone(), folder.to_owned()), None);
    removed.or_else(|error| {
        if deadline.is_over() {
            return Err(error);
        }
        // If there can be no other process. In this one it works, too, unless there are hooks: the reaper takes their exit codes.
        cleanup::remove(groups, folder).map(drop)
    })
}

/// Converts `time` to the type of containerd's messages.
pub fn to_timestamp(time: DateTime<Utc>) -> Timestamp {
    let nanos = time.timestamp_subsec_nanos().cast_signed();
    Timestamp { seconds: time.timestamp(), nanos, ..Timestamp::default() }
}
