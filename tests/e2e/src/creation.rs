//! What the process of a container does before it opens a file of its image, as a debugger and the kernel see it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};
use procfs::net::UnixNetEntry;
use procfs::process::{FDTarget, Process};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use test_support::artifacts;

use crate::images::BUSYBOX;
use crate::pod::{Pod, container};
use crate::process::{self, PodProcess};
use crate::testbed::{Testbed, find, text, until};

/// The name that libcontainer gives the process of a container before the container starts.
const NOT_STARTED: &str = "youki:[2:INIT]";

/// The traced system calls: those that open or run a file, and those that change the root and the capabilities.
const TRACED: &str = "trace=open,openat,openat2,execve,capset,pivot_root";

/// The delayed system call: the wait for the start, so that there is time to read what is open.
const DELAYED: &str = "inject=accept,accept4:delay_enter=3s";

/// The type of a channel of libcontainer, SOCK_SEQPACKET (proc(5), `/proc/net/unix`).
const SEQUENCED: u16 = 5;

/// Where the shim keeps compiled code.
const CACHE: &str = "/var/cache/httpserver-shim";

/// No file of the image is opened or run while the process has a capability: it is one of the node's.
pub fn order(testbed: &Testbed) -> Result<String> {
    let calls = with_init_container(testbed, "traced", |pod, neighbour| {
        let folder = tempfile::tempdir_in("target")?;
        let trace = folder.path().join("trace");
        let debugger = Debugger::attach(&neighbour.shim_forks()?, &trace, TRACED)?;
        testbed.kubectl(&["wait", &format!("pod/{}", pod.name), "--for=condition=Ready", "--timeout=60s"])?;
        debugger.detach()?;
        Ok(fs::read_to_string(trace)?)
    })?;
    // The process that enters the container's root is the container's.
    let entered =
        calls.lines().find(|line| line.contains(" pivot_root(")).context("a process enters the container's root")?;
    let process = entered.split(' ').next().context("a line begins with the process")?;
    let own = calls.lines().filter(|line| line.split(' ').next() == Some(process));
    let inside: Vec<_> = own.skip_while(|line| *line != entered).collect();
    let dropped = inside.iter().position(|line| line.contains("capset(") && line.contains("permitted=0,"));
    let dropped = dropped.context("the process gives up its capabilities")?;
    let early = inside[..dropped].iter().find(|line| opens_image(line));
    ensure!(early.is_none(), "opened with capabilities of the node: {}", early.unwrap_or(&""));
    let late = inside[dropped..].iter().filter(|line| opens_image(line)).count();
    ensure!(late > 0, "no file of the image was opened at all");
    Ok(format!("of the image 0 files opened before the capabilities are gone, {late} after"))
}

/// Whether a system call names a file in the container's root, outside of the mounts that every container has.
fn opens_image(call: &str) -> bool {
    let names = ["open(", "openat(AT_FDCWD", "openat2(AT_FDCWD", "execve("];
    let path = call.split('"').nth(1).unwrap_or_default();
    let foreign = ["/proc", "/dev", "/sys"].iter().any(|mount| path.starts_with(mount));
    names.iter().any(|name| call.contains(name)) && !foreign
}

/// Between creation and start the process has only those descriptors open that it needs for the start.
pub fn descriptors(testbed: &Testbed) -> Result<String> {
    let found = with_init_container(testbed, "unborn", |_, neighbour| {
        let folder = tempfile::tempdir_in("target")?;
        let trace = folder.path().join("trace");
        let debugger = Debugger::attach(&neighbour.shim_forks()?, &trace, DELAYED)?;
        let found = descriptors_before_start(&neighbour.shim()?);
        debugger.detach()?;
        found
    })?;
    Ok(format!("{found:?}"))
}

/// The descriptors of the container's process while it waits for its start, which the debugger delays.
fn descriptors_before_start(shim: &Process) -> Result<Vec<FDTarget>> {
    find("the process of the container has only its own descriptors open", || {
        let mut children = process::children(shim)?.into_iter();
        let child = children.find(|child| process::name(child) == NOT_STARTED).context("there is no such process")?;
        let open = process::descriptors(&child)?;
        let sockets = shim.unix()?;
        let foreign = open.iter().find(|target| !is_own(target, &sockets));
        ensure!(foreign.is_none(), "{foreign:?}");
        Ok(Some(open))
    })
}

/// The compiled code, a channel of libcontainer, or the socket on which the process waits for its start.
fn is_own(target: &FDTarget, sockets: &[UnixNetEntry]) -> bool {
    let is_for_the_start = |path: &Path| path.ends_with("notify.sock");
    match target {
        FDTarget::Path(path) => path.starts_with(CACHE),
        FDTarget::Socket(inode) => sockets
            .iter()
            .filter(|socket| socket.inode == *inode)
            .any(|socket| socket.socket_type == SEQUENCED || socket.path.as_deref().is_some_and(is_for_the_start)),
        _ => false,
    }
}

/// Runs `act` while an init container keeps containerd from making the pod's container. `act` gets the pod, and the process of the
/// init container, which leads to the pod's shim.
fn with_init_container<T>(
    testbed: &Testbed,
    name: &str,
    act: impl FnOnce(&Pod, &PodProcess) -> Result<T>,
) -> Result<T> {
    let wait = container("wait", BUSYBOX, &["/busybox", "sleep", "5"]);
    let pod = Pod::for_component(name, test_hostile::APPLICATION_NAMES)
        .on("node1")
        .with("/spec/initContainers", json!([wait]));
    testbed.cluster.apply(&pod.to_string())?;
    let outcome = waiting(testbed, &pod).and_then(|process| act(&pod, &process));
    pod.delete(testbed)?;
    outcome
}

/// The process of the init container.
fn waiting(testbed: &Testbed, pod: &Pod) -> Result<PodProcess> {
    find("the init container runs", || {
        let state: Value = pod.state(testbed)?;
        text(&state, "/status/initContainerStatuses/0/state/running/startedAt")?;
        PodProcess::named(&state, "busybox").map(Some)
    })
}

/// A debugger that notes the system calls of processes and of their future children.
struct Debugger(Child);

impl Debugger {
    /// Attaches to these processes; `expression` chooses the system calls, and what to do with them (strace(1), `-e`).
    fn attach(processes: &[Process], trace: &Path, expression: &str) -> Result<Self> {
        let mut strace = Command::new(artifacts::tool("strace"));
        strace.args(["-f", "-qq", "-s", "256", "-e", expression, "-o"]).arg(trace);
        strace.args(processes.iter().flat_map(|process| ["-p".to_owned(), process.pid.to_string()]));
        let debugger = Self(strace.spawn().context("cannot run strace")?);
        until("all processes of the shim are traced", || {
            let traced = |process: &Process| process.status().map(|status| status.tracerpid != 0);
            Ok(processes.iter().map(traced).collect::<Result<Vec<_>, _>>()?.into_iter().all(|traced| traced))
        })?;
        Ok(debugger)
    }

    /// Lets the processes go on without the debugger.
    fn detach(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::INT)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        // After `detach` it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
