//! A creation that hangs: a hook that never ends stands for all that may hang, such as a file system of a server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;
use test_cluster::wait::find;
use test_support::wait::{Patience, find_despite_errors};

use super::folder;
use crate::{
    cri::PATIENCE,
    images::SHARE,
    node::{Driver, Node},
};

/// How long `ctr` waits for containerd. A fifth of it has to do for the error, on an emulated processor.
const LIMIT: Duration = Duration::from_secs(40);

/// The time ends before the one that waits does, so that it gets the error: it says in which process the creation hangs.
pub fn hangs(node: &Node) -> Result<()> {
    let hanging = Hanging::new(node, "limited")?;
    let start = Instant::now();
    let limit = format!("{}s", LIMIT.as_secs());
    let output = hanging.ctr(&["--timeout", &limit]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "the container was created");
    let is_told = ["it took more than", "it hung in", "`sleep`"].iter().all(|part| said.contains(part));
    ensure!(is_told, "after {:?}: {said}", start.elapsed());
    hanging.has_left_nothing()
}

/// containerd deletes what it no longer waits for. The container does not appear afterwards, and its neighbour in the pod, which keeps
/// the shim alive, stays.
pub fn given_up(node: &Node) -> Result<()> {
    let neighbour = Hanging::specified(node, "neighbour", None)?;
    let output = neighbour.ctr(&[]).output()?;
    ensure!(output.status.success(), "the neighbour: {}", String::from_utf8_lossy(&output.stderr));
    let hanging = Hanging::new(node, "given-up")?;
    let mut client = hanging.ctr(&[]).stderr(Stdio::null()).spawn()?;
    let waits = find("the hook runs", PATIENCE, || Ok((!hanging.processes().is_empty()).then_some(())));
    end(&mut client)?;
    waits?;
    // What a creation that nobody stops would still do.
    sleep(Duration::from_secs(1));
    hanging.has_left_nothing()?;
    ensure!(!neighbour.processes().is_empty(), "its neighbour has ended");
    Ok(())
}

fn end(client: &mut Child) -> Result<()> {
    client.kill()?;
    client.wait()?;
    Ok(())
}

/// A container whose creation never ends.
struct Hanging {
    id: String,
    /// What the hook waits for.
    seconds: Option<String>,
    runtime: &'static str,
    cgroup: String,
    specification: PathBuf,
}

impl Hanging {
    fn new(node: &Node, name: &str) -> Result<Self> {
        // Its own number, by which the hook is found, seconds.
        Self::specified(node, name, Some(100_000 + u32::from(node.number)))
    }

    /// With a hook that takes this many seconds, or none; in the pod of the case.
    fn specified(node: &Node, name: &str, seconds: Option<u32>) -> Result<Self> {
        let id = format!("{name}{}", node.number);
        let work = Path::new("/var/tmp").join(&id);
        fs::create_dir_all(work.join("rootfs/proc"))?;
        fs::create_dir_all(work.join("rootfs/dev"))?;
        fs::copy(Path::new(SHARE).join("busybox"), work.join("rootfs/busybox"))?;
        let (path, cgroup) = match node.handler.driver {
            Driver::Systemd => (format!("system.slice:case:{id}"), format!("/system.slice/case-{id}.scope")),
            Driver::Cgroupfs => (format!("/cases/{id}"), format!("/cases/{id}")),
        };
        let hook = |seconds| json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", seconds]}]});
        let seconds = seconds.map(|seconds| seconds.to_string());
        let namespaces = ["pid", "mount", "ipc", "uts"].map(|kind| json!({"type": kind}));
        let specification = json!({
            "ociVersion": "1.1.0",
            "process": {"args": ["/busybox", "sleep", "1000"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["HOME=/"]},
            "root": {"path": work.join("rootfs")},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            ],
            "hooks": seconds.as_ref().map_or(json!({}), hook),
            "annotations": {"io.kubernetes.cri.sandbox-id": format!("pod{}", node.number)},
            "linux": {
                "namespaces": namespaces,
                "cgroupsPath": path,
                "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            }
        });
        let file = work.join("config.json");
        fs::write(&file, specification.to_string())?;
        Ok(Self { id, seconds, runtime: node.runtime_type(), cgroup, specification: file })
    }

    /// `ctr`, which creates it.
    fn ctr(&self, options: &[&str]) -> Command {
        let mut ctr = Command::new("ctr");
        ctr.args(options).args(["--namespace", "cases", "run", "--detach", "--runtime", self.runtime, "--config"]);
        ctr.arg(&self.specification).arg(&self.id);
        ctr
    }

    /// The processes of the hook, and of the shim for it.
    fn processes(&self) -> Vec<String> {
        let commands = fs::read_dir("/proc").into_iter().flatten().flatten();
        let commands = commands.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
        let is_of_it = |line: &String| {
            let mut words = line.split('\0');
            words.next().is_some_and(|name| name.contains("shim")) && words.any(|word| word == self.id)
                || self.seconds.as_ref().is_some_and(|seconds| line == &format!("sleep\0{seconds}\0"))
        };
        commands.filter(is_of_it).map(|line| line.replace('\0', " ")).collect()
    }

    fn has_left_nothing(&self) -> Result<()> {
        find_despite_errors("nothing of the creation is left", Patience { limit: PATIENCE, ..Patience::DAEMON }, || {
            let processes = self.processes();
            ensure!(processes.is_empty(), "processes: {processes:?}");
            let group = folder(&self.cgroup);
            ensure!(!group.exists(), "the control group {} is there", group.display());
            let state = Path::new("/run/containerd/wasmtime-spin/cases").join(&self.id);
            ensure!(!state.exists(), "{} is there", state.display());
            Ok(Some(()))
        })
    }
}
