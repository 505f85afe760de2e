//! A libcontainer container, in a process of its own: libcontainer forks, which is safe only where there are no threads.

use std::cell::RefCell;
use std::fs;

use anyhow::{Context, Result};
use containerd_shimkit::sandbox::InstanceConfig;
use containerd_shimkit::set_logger_kv;
use containerd_shimkit::zygote::Zygote;
use libcontainer::container::Container as LibContainer;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::signal::Signal;
use libcontainer::syscall::syscall::SyscallType;
use serde::{Deserialize, Serialize};

use crate::NAME;
use crate::executor::Executor;
use crate::prepare::Compiled;
use crate::wire::{Sent, received, sent};

thread_local! {
    /// The container of this process.
    static CONTAINER: RefCell<Option<LibContainer>> = const { RefCell::new(None) };
}

/// How much sooner than others this process is killed when the node has no memory left (proc(5)).
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// The process that holds a container; it is killed when this is dropped.
pub struct Container(Zygote);

/// What a container is built from.
#[derive(Serialize, Deserialize)]
struct Plan {
    id: String,
    config: InstanceConfig,
    code: Option<Compiled>,
}

impl Container {
    /// Builds the container and its process, which then waits for [`Self::start`].
    pub fn build(id: String, config: InstanceConfig, code: Option<Compiled>) -> Result<Self> {
        let process = Zygote::global().spawn();
        received(process.try_run(|plan| sent(build(plan)), Plan { id, config, code }))?;
        Ok(Self(process))
    }

    pub fn pid(&self) -> Result<i32> {
        let pid =
            |()| with(|container| container.pid().map(|pid| pid.as_raw()).context("the container has no process"));
        received(self.0.try_run(pid, ()))
    }

    pub fn start(&self) -> Result<()> {
        received(self.0.try_run(|()| with(|container| Ok(container.start()?)), ()))
    }

    /// Sends `signal` to all processes of the container.
    pub fn kill(&self, signal: u32) -> Result<()> {
        let kill = |signal: u32| {
            with(|container| {
                let signal = Signal::try_from(signal.cast_signed()).with_context(|| format!("no signal {signal}"))?;
                Ok(container.kill(signal, true)?)
            })
        };
        received(self.0.try_run(kill, signal))
    }

    pub fn delete(&self) -> Result<()> {
        received(self.0.try_run(|()| with(|container| Ok(container.delete(true)?)), ()))
    }
}

fn build(Plan { id, config, code }: Plan) -> Result<()> {
    set_logger_kv([("instance", id.as_str())]);
    // The shim's own groups: libcontainer leaves them to a container that asks for none.
    rustix::thread::set_thread_groups(&[]).context("cannot leave the shim's groups")?;
    let executor = Executor::new(code.map(Compiled::open));
    let root = config.determine_rootdir(NAME)?;
    let mut builder = ContainerBuilder::new(id, SyscallType::Linux).with_executor(executor).with_root_path(root)?;
    // Not there: the caller wants none.
    if let Ok(stdin) = config.open_stdin() {
        builder = builder.with_stdin(stdin);
    }
    if let Ok(stdout) = config.open_stdout() {
        builder = builder.with_stdout(stdout);
    }
    if let Ok(stderr) = config.open_stderr() {
        builder = builder.with_stderr(stderr);
    }
    let builder = builder.as_init(&config.bundle).as_sibling(true).with_systemd(config.config.systemd_cgroup);
    // libcontainer gives the container's to this process first, for its child to inherit: it would then be among the first to go.
    let own = fs::read(OOM_SCORE).with_context(|| format!("cannot read {OOM_SCORE}"))?;
    CONTAINER.set(Some(builder.build()?));
    fs::write(OOM_SCORE, own).with_context(|| format!("cannot write {OOM_SCORE}"))
}

fn with<T>(act: impl FnOnce(&mut LibContainer) -> Result<T>) -> Sent<T> {
    CONTAINER.with_borrow_mut(|container| sent(act(container.as_mut().expect("built before it is used"))))
}
