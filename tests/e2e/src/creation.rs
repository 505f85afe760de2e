//! What the process of a container does before it runs anything of its image, as seen by a debugger and by the kernel.

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
use crate::testbed::{Testbed, text, until};

/// What libcontainer calls the process of a container until it is one.
const UNBORN: &str = "youki:[2:INIT]";

/// What is traced: all that opens or runs a file, and what tells where and with which rights.
const TRACED: &str = "trace=open,openat,openat2,execve,capset,pivot_root";

/// What is delayed: the wait for the start, so that there is time to look.
const DELAYED: &str = "inject=accept,accept4:delay_enter=3s";

/// The type of a channel of libcontainer, SOCK_SEQPACKET (proc(5), `/proc/net/unix`).
const SEQUENCED: u16 = 5;

/// Where the shim keeps compiled code.
const CACHE: &str = "/var/cache/httpserver-shim";

/// Nothing of the image is opened or run while the process has a capability left: those are the node's.
pub fn order(testbed: &Testbed) -> Result<String> {
    let calls = with_init_container(testbed, "traced", |pod, neighbour| {
        let folder = tempfile::tempdir_in("target")?;
        let trace = folder.path().join("trace");
        let debugger = Debugger::attach(&neighbour.shim_forks()?, &trace, TRACED)?;
        testbed.kubectl(&["wait", &format!("pod/{}", pod.name), "--for=condition=Ready", "--timeout=60s"])?;
        debugger.detach()?;
        Ok(fs::read_to_string(trace)?)
    })?;
    // Who enters the container's root is its process.
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
    ensure!(late > 0, "nothing of the image was opened at all");
    Ok(format!("of the image 0 files opened before the capabilities are gone, {late} after"))
}

/// Whether a system call names something of the container's root, and not of what is mounted there for every container.
fn opens_image(call: &str) -> bool {
    let names = ["open(", "openat(AT_FDCWD", "openat2(AT_FDCWD", "execve("];
    let path = call.split('"').nth(1).unwrap_or_default();
    let foreign = ["/proc", "/dev", "/sys"].iter().any(|mount| path.starts_with(mount));
    names.iter().any(|name| call.contains(name)) && !foreign
}

/// Between creation and start the process has nothing open but what it needs to be started.
pub fn descriptors(testbed: &Testbed) -> Result<String> {
    let found = with_init_container(testbed, "unborn", |_, neighbour| {
        let folder = tempfile::tempdir_in("target")?;
        let trace = folder.path().join("trace");
        let debugger = Debugger::attach(&neighbour.shim_forks()?, &trace, DELAYED)?;
        let found = unborn(&neighbour.shim()?);
        debugger.detach()?;
        found
    })?;
    Ok(format!("{found:?}"))
}

/// What the container's process has open beyond stdin, stdout and stderr once it waits for its start, which the debugger delays.
fn unborn(shim: &Process) -> Result<Vec<FDTarget>> {
    let mut open = Vec::new();
    until("the process of the container has nothing open that is not its own", || {
        let mut children = process::children(shim)?.into_iter();
        let unborn = children.find(|child| process::name(child) == UNBORN).context("there is no such process")?;
        open = process::descriptors(&unborn)?;
        let sockets = shim.unix()?;
        let foreign = open.iter().find(|target| !is_own(target, &sockets));
        ensure!(foreign.is_none(), "{foreign:?}");
        Ok(true)
    })?;
    Ok(open)
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

/// Runs `act` while an init container keeps the pod's own container from being made. `act` gets the pod, and the process of the init
/// container, by which the pod's shim is found.
fn with_init_container<T>(
    testbed: &Testbed,
    name: &str,
    act: impl FnOnce(&Pod, &PodProcess) -> Result<T>,
) -> Result<T> {
    let wait = container("wait", BUSYBOX, &["/busybox", "sleep", "5"]);
    let pod = Pod::of_component(name, test_hostile::APPLICATION_NAMES)
        .on("node1")
        .with("/spec/initContainers", json!([wait]));
    testbed.cluster.apply(&pod.to_string())?;
    let outcome = waiting(testbed, &pod).and_then(|process| act(&pod, &process));
    pod.delete(testbed)?;
    outcome
}

/// The process of the init container.
fn waiting(testbed: &Testbed, pod: &Pod) -> Result<PodProcess> {
    let mut found = None;
    until("the init container runs", || {
        let state: Value = pod.state(testbed)?;
        text(&state, "/status/initContainerStatuses/0/state/running/startedAt")?;
        found = Some(PodProcess::named(&state, "busybox")?);
        Ok(true)
    })?;
    found.context("it was found")
}

/// A debugger that notes the system calls of processes and of all that they fork.
struct Debugger(Child);

impl Debugger {
    /// Attaches to these processes; `expression` is what it does with which calls (strace(1), `-e`).
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

    /// Lets the processes go on alone.
    fn detach(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::INT)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        // After `detach` there is none any more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
