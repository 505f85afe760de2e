//! The processes of a container and of its shim: signals, the pod's namespace of processes, helpers that are killed or cannot start.

use std::{collections::BTreeSet, fs, io::ErrorKind, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_cri::v1::{IdMapping, NamespaceMode, PodSandboxConfig, UserNamespace};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use test_cluster::wait::find;

use super::{application, folder, idle};
use crate::{
    cri::PATIENCE,
    images::{APPLICATION, BUSYBOX},
    node::Node,
    pod::{Container, Running},
};

/// SIGRTMIN+3, with which an image may want to be stopped. busybox and containerd know it by its number.
const REAL_TIME: &str = "37";

/// What the shim calls the process that all others are forked from.
const SHIM: &str = "containerd-shim";

/// A signal that is not among the first 31, to a program that expects it, and to one that it ends.
pub fn real_time_signal(node: &Node) -> Result<()> {
    let script = format!("trap 'echo got it; exit 5' {REAL_TIME}; echo ready; while true; do sleep 0.1; done");
    let container = node.pod()?.run(Container::of_script(BUSYBOX, &script))?;
    find("the program is ready", PATIENCE, || Ok(container.log()?.contains("ready").then_some(())))?;
    signal(&container)?;
    let end = container.end()?;
    ensure!(end.code == 5 && end.log.contains("got it"), "{end:?}");

    // The first process of a namespace ignores a signal that it does not expect.
    let pod = node.own_pod_as(node.handler, share_processes)?;
    let container = pod.run(idle().among_the_pods_processes())?;
    signal(&container)?;
    let end = container.end()?;
    ensure!(end.code == 128 + 37, "{end:?}");
    pod.remove()
}

fn signal(container: &Running) -> Result<()> {
    let mut ctr = Command::new("ctr");
    ctr.args(["--namespace", "k8s.io", "tasks", "kill", "--signal", REAL_TIME, &container.id]);
    let output = ctr.output()?;
    ensure!(output.status.success(), "`ctr tasks kill`: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// All containers of the pod are in one namespace of processes, whose first process is the pod's. What a container leaves behind
/// there ends with it.
pub fn shared(node: &Node) -> Result<()> {
    let pod = node.own_pod_as(node.handler, share_processes)?;
    let neighbour = pod.run(idle().among_the_pods_processes())?;
    let script = "sleep 2000 & ps; exit 3";
    let container = pod.run(Container::of_script(BUSYBOX, script).among_the_pods_processes())?;
    let cgroup = pod.cgroup_of(&container);
    let end = container.end()?;
    ensure!(end.code == 3, "{end:?}");
    ensure!(end.log.contains("/pause") && end.log.contains("sleep 1000"), "it does not see the others: {end:?}");
    find("what the container left behind has ended", PATIENCE, || {
        let left = fs::read_to_string(folder(&cgroup).join("cgroup.procs")).unwrap_or_default();
        Ok(left.is_empty().then_some(()))
    })?;
    ensure!(Path::new(&format!("/proc/{}", neighbour.pid()?)).exists(), "the neighbour has ended, too");
    pod.remove()
}

/// The application is not the first process of its namespace there.
pub fn application_among_others(node: &Node) -> Result<()> {
    let pod = node.own_pod_as(node.handler, share_processes)?;
    let container = pod.run(Container::of_component(APPLICATION, node.port()).among_the_pods_processes())?;
    application::healthy(node)?;
    let end = container.stop(application::GRACE)?;
    ensure!(end.code == 0, "{end:?}");
    pod.remove()
}

fn share_processes(pod: &mut PodSandboxConfig) {
    let linux = pod.linux.get_or_insert_default();
    let options = linux.security_context.get_or_insert_default().namespace_options.get_or_insert_default();
    options.pid = NamespaceMode::Pod.into();
}

/// `hostUsers: false` is refused with what to do.
pub fn own_users(node: &Node) -> Result<()> {
    let map = vec![IdMapping { host_id: 100_000, container_id: 0, length: 65_536 }];
    let pod = node.own_pod_as(node.handler, |pod| {
        let linux = pod.linux.get_or_insert_default();
        let options = linux.security_context.get_or_insert_default().namespace_options.get_or_insert_default();
        let mode = NamespaceMode::Pod.into();
        options.userns_options = Some(UserNamespace { mode, uids: map.clone(), gids: map });
    });
    let error = pod.err().context("the pod started")?;
    let said = format!("{error:#}");
    ensure!(said.contains("user namespace") && said.contains("hostUsers"), "{said}");
    Ok(())
}

/// Nothing but the container itself has to live so that it can be killed and removed, for example if the kernel needs memory.
pub fn without_helpers(node: &Node) -> Result<()> {
    let pod = node.own_pod()?;
    let container = pod.run(idle())?;
    let cgroup = pod.cgroup_of(&container);
    let shim = shim_of(&container)?;
    for helper in helpers(shim, &pod.cgroup())? {
        kill_process(helper, Signal::KILL)?;
    }
    let listed = containerd_pids(&container)?;
    ensure!(listed.contains(&container.pid()?), "its processes: {listed:?}");
    let end = container.stop(Duration::from_secs(1))?;
    ensure!(end.code == 137, "{end:?}");
    node.cri.remove(&container.id)?;
    pod.remove()?;
    ensure!(!folder(&cgroup).exists(), "its control group {cgroup} is there");
    find("the shim has ended", PATIENCE, || Ok((!is_there(shim)).then_some(())))
}

/// The processes of the shim outside of the pod have open what they need, and not the socket on which containerd finds the shim.
pub fn descriptors(node: &Node) -> Result<()> {
    let pod = node.own_pod()?;
    let container = pod.run(idle())?;
    let sockets = fs::read_to_string("/proc/net/unix")?;
    let helpers = helpers(shim_of(&container)?, &pod.cgroup())?;
    ensure!(!helpers.is_empty(), "there is no such process");
    for helper in &helpers {
        let mut own = 0;
        for entry in fs::read_dir(format!("/proc/{}/fd", helper.as_raw_nonzero()))? {
            let target = fs::read_link(entry?.path())?.display().to_string();
            let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) else { continue };
            let line = sockets.lines().find(|line| line.split_whitespace().nth(6) == Some(inode)).unwrap_or_default();
            ensure!(!line.contains('/'), "process {helper:?} has {line} open");
            own += 1;
        }
        ensure!(own == 1, "process {helper:?} has {own} sockets open, expected its own connection to the shim");
    }
    pod.remove()
}

/// No descriptor or no process is left for a container: an error, and the next one starts.
pub fn exhausted(node: &Node) -> Result<()> {
    let pod = node.own_pod()?;
    let first = pod.run(idle())?;
    let shim = shim_of(&first)?;
    let before =
        prlimit(Some(shim), Resource::Nofile, Rlimit { current: Some(almost(shim)?), ..getrlimit(Resource::Nofile) })?;
    let refused = pod.run(idle()).err();
    prlimit(Some(shim), Resource::Nofile, before)?;
    let said = format!("{:#}", refused.context("it started without a descriptor")?);
    ensure!(said.contains("file descriptor"), "{said}");
    pod.run(idle()).context("after that")?;

    let root = helpers(shim, &pod.cgroup())?;
    let group = folder(&format!("/exhausted{}", node.number));
    fs::create_dir(&group)?;
    for process in root {
        fs::write(group.join("cgroup.procs"), process.as_raw_nonzero().to_string())?;
    }
    fs::write(group.join("pids.max"), "1").context("the root has a controller for processes")?;
    let refused = pod.run(idle()).err();
    fs::write(group.join("pids.max"), "max")?;
    let said = format!("{:#}", refused.context("it started without a process")?);
    ensure!(said.contains("cannot fork") && said.contains("pids.max"), "{said}");
    pod.run(idle()).context("after that")?;
    pod.remove()
}

/// A limit that leaves a process three descriptors: containerd's next connection to a shim takes one, and a request one at a time.
fn almost(process: Pid) -> Result<u64> {
    let mut open = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero()))? {
        open.insert(entry?.file_name().to_str().context("a number")?.parse::<u64>()?);
    }
    (0..).filter(|number| !open.contains(number)).nth(3).context("numbers do not end")
}

/// The shim of a container: the parent of its first process.
fn shim_of(container: &Running) -> Result<Pid> {
    parent(container.pid()?).context("the container's process has a parent")
}

/// The children of the shim that are not in the pod.
fn helpers(shim: Pid, pod: &str) -> Result<Vec<Pid>> {
    let pids = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_helper = |pid: &i32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        parent(*pid) == Some(shim) && name.starts_with(SHIM) && !groups.contains(pod)
    };
    Ok(pids.filter(is_helper).filter_map(Pid::from_raw).collect())
}

fn parent(pid: i32) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Pid::from_raw(status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?)
}

fn is_there(process: Pid) -> bool {
    match fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())) {
        Ok(status) => !status.contains("State:\tZ"),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// The processes of the container that containerd knows of, which asks the shim.
fn containerd_pids(container: &Running) -> Result<Vec<i32>> {
    let output = Command::new("ctr").args(["--namespace", "k8s.io", "tasks", "ps", &container.id]).output()?;
    ensure!(output.status.success(), "`ctr tasks ps`: {}", String::from_utf8_lossy(&output.stderr).trim());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect())
}
