//! A container of libcontainer, in a process of its own: libcontainer forks, which is safe only without threads.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use anyhow::{Context, Result};
use libcontainer::container::Container as LibContainer;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::signal::Signal;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};
use zygote::Zygote;

use crate::builder::precompile::Compiled;
use crate::container::executor::Executor;
use crate::ipc::{Reply, from_reply, to_reply};
use crate::{cgroup, forks, logger};

thread_local! {
    /// The container of this process.
    static CONTAINER: RefCell<Option<LibContainer>> = const { RefCell::new(None) };
}

/// Between `io.containerd.` and `.v1` in containerd's `runtime_type`.
pub const NAME: &str = "wasmtime-spin";

/// How likely the kernel kills this process if the node has no memory left (proc(5)).
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// The process that keeps a container; it is killed when this is dropped.
pub struct Container(Zygote);

/// The input from which a container is built.
#[derive(Serialize, Deserialize)]
pub struct CreateOptions {
    /// Its name in the namespace.
    pub id: String,
    /// containerd's namespace.
    pub namespace: String,
    /// The folder with its `config.json`.
    pub bundle: PathBuf,
    /// Its stdin, stdout and stderr.
    pub stdio: Stdio,
    /// Whether systemd makes its cgroup.
    pub systemd_cgroup: bool,
    /// The compiled code of its application, if there is any.
    pub code: Option<Compiled>,
}

/// Paths of named pipes; an empty one means none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stdio {
    /// Its input.
    pub stdin: String,
    /// Its output.
    pub stdout: String,
    /// Its errors.
    pub stderr: String,
}

/// The folder in which libcontainer keeps the state of the containers in `namespace`.
pub fn state_root(namespace: &str) -> PathBuf {
    PathBuf::from("/run/containerd").join(NAME).join(namespace)
}

impl Container {
    /// Builds the container and its process, which then waits for [`Self::start`].
    pub fn build(options: CreateOptions) -> Result<Self> {
        let process = forks::spawn()?;
        from_reply(process.try_run(|options| to_reply(build(options)), options))?;
        Ok(Self(process))
    }

    /// The container's first process.
    pub fn pid(&self) -> Result<i32> {
        let pid =
            |()| with(|container| container.pid().map(|pid| pid.as_raw()).context("the container has no process"));
        from_reply(self.0.try_run(pid, ()))
    }

    /// All of the container's processes.
    pub fn pids(&self) -> Result<Vec<i32>> {
        from_reply(self.0.try_run(|()| with(|container| cgroup::pids(container)), ()))
    }

    /// Lets the container's process continue: it runs the program, or serves.
    pub fn start(&self) -> Result<()> {
        from_reply(self.0.try_run(|()| with(|container| Ok(container.start()?)), ()))
    }

    /// Sends `signal` to the container's first process, or to `all` of them.
    pub fn kill(&self, signal: u32, all: bool) -> Result<()> {
        let kill = |(signal, all): (u32, bool)| {
            with(|container| {
                let signal = Signal::try_from(signal.cast_signed())
                    .with_context(|| format!("invalid signal \"{signal}\": expected a number of Linux, such as 15"))?;
                Ok(container.kill(signal, all)?)
            })
        };
        from_reply(self.0.try_run(kill, (signal, all)))
    }

    /// Sets the limits that `resources`, the OCI spec's as JSON, names.
    pub fn update(&self, resources: Vec<u8>) -> Result<()> {
        let update = |resources: Vec<u8>| {
            with(|container| {
                let resources: LinuxResources =
                    serde_json::from_slice(&resources).context("expected the OCI spec's `linux.resources` as JSON")?;
                cgroup::update(container, &resources)
            })
        };
        from_reply(self.0.try_run(update, resources))
    }

    /// Kills the processes that still run, and removes the container's cgroup and state.
    pub fn delete(&self) -> Result<()> {
        from_reply(self.0.try_run(|()| with(|container| Ok(container.delete(true)?)), ()))
    }
}

fn build(CreateOptions { id, namespace, bundle, stdio, systemd_cgroup, code }: CreateOptions) -> Result<()> {
    logger::name_container(&id);
    // libcontainer would leave the shim's own groups to a container that asks for none.
    rustix::thread::set_thread_groups(&[]).context("cannot leave the shim's groups")?;
    let executor = Executor::new(code.map(Compiled::open));
    let root = state_root(&namespace);
    let mut builder = ContainerBuilder::new(id, SyscallType::Linux).with_executor(executor).with_root_path(root)?;
    if let Some(stdin) = open(&stdio.stdin)? {
        builder = builder.with_stdin(stdin);
    }
    if let Some(stdout) = open(&stdio.stdout)? {
        builder = builder.with_stdout(stdout);
    }
    if let Some(stderr) = open(&stdio.stderr)? {
        builder = builder.with_stderr(stderr);
    }
    let builder = builder.as_init(&bundle).as_sibling(true).with_systemd(systemd_cgroup);
    // libcontainer gives the container's score to this process first, so that the child inherits it. With that score the kernel
    // would kill this process early.
    let own = fs::read(OOM_SCORE).with_context(|| format!("cannot read {OOM_SCORE}"))?;
    CONTAINER.set(Some(builder.build()?));
    fs::write(OOM_SCORE, own).with_context(|| format!("cannot write {OOM_SCORE}"))
}

/// Opens a named pipe to read and to write. So it never waits for the other end, and it stays open if containerd ends.
fn open(path: &str) -> Result<Option<File>> {
    if path.is_empty() {
        return Ok(None);
    }
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map(Some).with_context(|| format!("cannot open the container's `{path}`: expected a named pipe"))
}

fn with<T>(act: impl FnOnce(&mut LibContainer) -> Result<T>) -> Reply<T> {
    CONTAINER.with_borrow_mut(|container| to_reply(act(container.as_mut().expect("built before it is used"))))
}
