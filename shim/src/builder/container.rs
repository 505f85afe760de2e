//! A container of libcontainer. What libcontainer does runs in a process of its own, since it forks, which is safe only without
//! threads. The process ends when it is done: nothing outside of the container has to live for the container's sake.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::container::{Container, ContainerStatus};
use libcontainer::hooks::run_hooks;
use libcontainer::notify_socket::NOTIFY_FILE;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::Hook;
use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};

use crate::builder::precompile::Compiled;
use crate::cgroup::{Driver, Groups};
use crate::container::executor::Executor;
use crate::forks::Deadline;
use crate::ipc::to_reply;
use crate::logger;

/// Between `io.containerd.` and `.v1` in containerd's `runtime_type`.
pub const NAME: &str = "wasmtime-spin";

/// The input from which a container is built.
#[derive(Serialize, Deserialize)]
pub struct CreateOptions {
    /// Its name in the namespace.
    pub id: String,
    /// The folder for its state, which must not be there yet.
    pub state: PathBuf,
    /// The folder with its `config.json`.
    pub bundle: PathBuf,
    /// Its stdin, stdout and stderr.
    pub stdio: Stdio,
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

/// The folder in which libcontainer keeps the state of the container `id` in `namespace`.
pub fn state(namespace: &str, id: &str) -> PathBuf {
    Path::new("/run/containerd").join(NAME).join(namespace).join(id)
}

/// Builds a container in `groups`, and its first process, whose number is returned. It waits for [`start`].
///
/// # Errors
/// libcontainer fails, or the deadline is over. Parts of the container may be there then.
pub fn build(options: CreateOptions, groups: &Groups, deadline: &Deadline) -> Result<i32> {
    let is_systemd = groups.driver == Driver::Systemd;
    deadline.run(|(options, is_systemd)| to_reply(build_here(options, is_systemd)), (options, is_systemd), Some(groups))
}

fn build_here(CreateOptions { id, state, bundle, stdio, code }: CreateOptions, is_systemd: bool) -> Result<i32> {
    logger::name_container(&id);
    // libcontainer would leave the shim's own groups to a container that asks for none.
    rustix::thread::set_thread_groups(&[]).context("cannot leave the shim's groups")?;
    let executor = Executor::new(code.map(Compiled::open));
    let root = state.parent().context("the folder for the state has a parent")?;
    let mut builder = ContainerBuilder::new(id, SyscallType::Linux).with_executor(executor).with_root_path(root)?;
    if let Some(stdin) = open_pipe(&stdio.stdin)? {
        builder = builder.with_stdin(stdin);
    }
    if let Some(stdout) = open_pipe(&stdio.stdout)? {
        builder = builder.with_stdout(stdout);
    }
    if let Some(stderr) = open_pipe(&stdio.stderr)? {
        builder = builder.with_stderr(stderr);
    }
    let container = builder.as_init(&bundle).as_sibling(true).with_systemd(is_systemd).build()?;
    container.pid().map(|pid| pid.as_raw()).context("the container has no process")
}

/// Opens a named pipe to read and to write. So it never waits for the other end, and it stays open if containerd ends.
fn open_pipe(path: &str) -> Result<Option<File>> {
    if path.is_empty() {
        return Ok(None);
    }
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map(Some).with_context(|| format!("cannot open the container's `{path}`: expected a named pipe"))
}

/// Lets the first process of the container with this `state` continue: it runs the program, or serves. Never waits for it.
///
/// # Errors
/// The process has ended, or was started before.
pub fn start(state: &Path) -> Result<()> {
    let socket = || -> Result<UnixStream> {
        let folder = open(state, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        // Its own path is longer than the 108 bytes of a socket's address (unix(7)).
        Ok(UnixStream::connect(format!("/proc/self/fd/{}/{NOTIFY_FILE}", folder.as_raw_fd()))?)
    };
    let mut socket = socket().context("the container's process does not wait for its start")?;
    // It continues when the connection ends.
    socket.write_all(b"start").context("cannot start the container's process")
}

/// Runs the hooks that the specification has for the time after the start.
///
/// # Errors
/// One of them fails, or the deadline is over.
pub fn run_poststart_hooks(state: PathBuf, hooks: Vec<Hook>, deadline: &Deadline) -> Result<()> {
    let run = |(state, hooks): (PathBuf, Vec<Hook>)| {
        let run = || -> Result<()> {
            let mut container = Container::load(state)?;
            container.set_status(ContainerStatus::Running).save()?;
            Ok(run_hooks(Some(&hooks), Some(&container.state), Some(&container.root), None)?)
        };
        to_reply(run().context("a poststart hook failed"))
    };
    deadline.run(run, (state, hooks), None)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    use test_support::wait::eventually;

    use super::*;

    #[test]
    fn a_process_below_a_long_path_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("n".repeat(200));
        std::fs::create_dir(&state).unwrap();
        let short = open(&state, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/{NOTIFY_FILE}", short.as_raw_fd())).unwrap();
        start(&state).unwrap();
        let mut got = String::new();
        listener.accept().unwrap().0.read_to_string(&mut got).unwrap();
        assert_eq!(got, "start");
        drop(listener);
        // A process that another test starts has the listener, too, until it executes its program.
        let error = eventually("nobody listens", || start(&state).err());
        let error = format!("{error:#}");
        assert!(error.starts_with("the container's process does not wait for its start: "), "{error}");
    }
}
