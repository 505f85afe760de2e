//! What a container may use, what it is said to use, and what happens if it uses more.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use k8s_cri::v1::LinuxContainerResources;
use test_cluster::wait::find;

use super::{devices, folder, idle};
use crate::{
    cri::PATIENCE,
    images::BUSYBOX,
    node::{Driver, HANDLERS, Node},
    pod::{Container, Running},
};

const MIB: i64 = 1 << 20;

/// Takes more and more memory.
const GREEDY: &str = "x=0123456789abcdef; while true; do x=$x$x; done";

/// The control groups are where the kubelet looks for them, whatever containerd's options say.
pub fn another_driver(node: &Node) -> Result<()> {
    let other = |handler: &crate::node::Handler| {
        handler.runtime == node.handler.runtime && handler.driver != node.handler.driver
    };
    let pod = node.own_pod_as(HANDLERS.into_iter().find(other).context("there are two")?, |_| ())?;
    let container = pod.run(idle())?;
    let (is, wanted) = (container.cgroup()?, pod.cgroup_of(&container));
    ensure!(is == wanted, "its control group is {is}, expected {wanted}");
    if node.handler.driver == Driver::Systemd {
        let unit = wanted.rsplit('/').next().unwrap_or_default();
        let state = Command::new("systemctl").args(["is-active", unit]).output()?.stdout;
        ensure!(state == b"active\n", "systemd says of {unit}: {}", String::from_utf8_lossy(&state));
    }
    pod.remove()
}

fn limits(cpu_quota: i64, memory: i64) -> LinuxContainerResources {
    LinuxContainerResources {
        cpu_period: 100_000,
        cpu_quota,
        cpu_shares: 512,
        memory_limit_in_bytes: memory,
        // None to swap: this is the sum of both.
        memory_swap_limit_in_bytes: memory,
        ..Default::default()
    }
}

/// CPU and memory, at the start and changed up and down while it runs. The devices stay as they were.
pub fn limited(node: &Node) -> Result<()> {
    let container = node.pod()?.run(idle().with_limits(limits(50_000, 64 * MIB)))?;
    has_limits(&container, 50_000, 64 * MIB)?;
    let program = devices::program_of(&container.cgroup()?)?;
    for (quota, memory) in [(200_000, 128 * MIB), (20_000, 32 * MIB), (70_000, 48 * MIB)] {
        node.cri.update(&container.id, limits(quota, memory))?;
        has_limits(&container, quota, memory)?;
        let now = devices::program_of(&container.cgroup()?)?;
        ensure!(now == program, "the program for devices is {now}, was {program}");
    }
    Ok(())
}

fn has_limits(container: &Running, quota: i64, memory: i64) -> Result<()> {
    let is = ["cpu.max", "memory.max", "memory.swap.max"].map(|file| read(container, file));
    let is = is.into_iter().collect::<Result<Vec<_>>>()?;
    let wanted = [format!("{quota} 100000"), memory.to_string(), "0".to_owned()];
    ensure!(is == wanted, "cpu.max, memory.max, memory.swap.max are {is:?}, expected {wanted:?}");
    Ok(())
}

/// The figures that the kubelet gets are those of the kernel: CPU time, and memory without the part of the page cache that the kernel
/// gives back first.
pub fn figures(node: &Node) -> Result<()> {
    let script = "dd if=/dev/zero of=/file bs=1M count=24 2>/dev/null; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; \
        sleep 1000";
    let container = node.pod()?.run(Container::of_script(BUSYBOX, script).by_root(&[]).with_writable_root())?;
    find("the script waits", PATIENCE, || Ok(container.log()?.contains("ready").then_some(())))?;
    let stats = node.cri.stats(&container.id)?;
    let number = |file: &str, name: &str| -> Result<u64> {
        let text = read(&container, file)?;
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in {text}"))?;
        Ok(line.trim().parse()?)
    };
    let cpu = stats.cpu.context("CPU")?.usage_core_nano_seconds.context("CPU time")?.value;
    near("CPU time, ns", cpu, number("cpu.stat", "usage_usec ")? * 1000, 20_000_000)?;
    let memory = stats.memory.context("memory")?;
    let used = number("memory.current", "")?;
    let cache = number("memory.stat", "inactive_file ")?;
    ensure!(cache > 8 << 20, "the page cache has {cache} bytes of it: the case proves nothing");
    near("working set, bytes", memory.working_set_bytes.context("working set")?.value, used - cache, 1 << 20)?;
    near("usage, bytes", memory.usage_bytes.context("usage")?.value, used, 1 << 20)?;
    near("anonymous memory, bytes", memory.rss_bytes.context("rss")?.value, number("memory.stat", "anon ")?, 1 << 20)
}

fn near(what: &str, is: u64, wanted: u64, tolerance: u64) -> Result<()> {
    ensure!(is.abs_diff(wanted) <= tolerance, "{what}: {is}, the kernel has {wanted}");
    Ok(())
}

/// The reason is in the container's status, as often as it happens.
pub fn too_much_memory(node: &Node) -> Result<()> {
    for round in 1..=3 {
        let container =
            node.pod()?.run(Container::of_script(BUSYBOX, GREEDY).with_limits(limits(100_000, 24 * MIB)))?;
        let cgroup = container.cgroup().unwrap_or_default();
        let end = container.end()?;
        let (status, _) = node.cri.status(&container.id)?;
        ensure!(end.code == 137 && status.reason == "OOMKilled", "{round}: {end:?}, reason {:?}", status.reason);
        node.cri.remove(&container.id)?;
        ensure!(cgroup.is_empty() || !folder(&cgroup).exists(), "{cgroup} is there");
    }
    Ok(())
}

/// What the kernel kills in a container that goes on is told at once.
pub fn child_with_too_much_memory(node: &Node) -> Result<()> {
    let events = Events::listen()?;
    let script = format!("({GREEDY}); echo the child ended with $?; sleep 1000");
    let container = node.pod()?.run(Container::of_script(BUSYBOX, &script).with_limits(limits(100_000, 24 * MIB)))?;
    find("the child ends", PATIENCE, || Ok(container.log()?.contains("ended with 137").then_some(())))?;
    find("containerd is told", PATIENCE, || Ok((events.of("/tasks/oom", &container.id)? == 1).then_some(())))?;
    let (status, _) = node.cri.status(&container.id)?;
    ensure!(status.finished_at == 0, "the container has ended: {status:?}");
    container.stop(std::time::Duration::ZERO)?;
    let told = events.of("/tasks/oom", &container.id)?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

/// containerd's events, in a file.
struct Events {
    listener: Child,
    file: String,
}

impl Events {
    fn listen() -> Result<Self> {
        let file = format!("/var/tmp/events{:?}", std::thread::current().id());
        let output = fs::File::create(&file)?;
        let listener = Command::new("ctr").arg("events").stdin(Stdio::null()).stdout(output).spawn()?;
        Ok(Self { listener, file })
    }

    /// How many events of that kind there were for that container.
    fn of(&self, topic: &str, container: &str) -> Result<usize> {
        let text = fs::read_to_string(&self.file)?;
        Ok(text.lines().filter(|line| line.contains(topic) && line.contains(container)).count())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.listener.kill();
        let _ = self.listener.wait();
    }
}

/// A file of the container's control group.
fn read(container: &Running, file: &str) -> Result<String> {
    let path = folder(&container.cgroup()?).join(file);
    Ok(fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?.trim_end().to_owned())
}
