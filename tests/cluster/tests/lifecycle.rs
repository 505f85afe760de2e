//! A cluster starts, survives what it has to, and leaves nothing behind. Wants root, a minute, and the machine for itself:
//! `cargo xtask cluster test`.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use test_cluster::{Cluster, Daemon, Options, RUN};

/// Two, so that one of them can be killed.
const NODES: u8 = 2;

/// In the path of each of the cluster's programs.
const PROGRAMS: &str = "/httpserver/cluster/";

/// The first mount(8) on a machine makes this folder for its notes, and leaves it.
const NOTES_OF_MOUNT: &str = "/run/mount";

/// When `up` is killed, milliseconds after its start: while it makes the network, the control plane, the nodes, the add-ons.
const KILLED_AFTER: [u64; 5] = [50, 300, 1000, 3000, 6000];

#[test]
#[ignore = "wants root and the machine for itself: `cargo xtask cluster test`"]
fn a_cluster_survives_restarts_and_leaves_nothing_behind() {
    let options = options();
    assert!(!Cluster::is_running(), "a cluster is running: `cargo xtask cluster down`");
    // What an interrupted run has left would look like a fault of this one.
    Cluster::down().unwrap();
    let before = traces();

    let cluster = timed("up", || Cluster::up(&options).unwrap());
    survives(&cluster);
    timed("down", || Cluster::down().unwrap());
    unchanged(&before, "after down");

    for milliseconds in KILLED_AFTER {
        killed_after(Duration::from_millis(milliseconds));
        timed("down after a killed up", || Cluster::down().unwrap());
        unchanged(&before, &format!("after an `up` killed after {milliseconds} ms, and down"));
    }
    // `up` begins with what `down` does.
    killed_after(Duration::from_secs(2));
    timed("up after a killed one", || Cluster::up(&options).unwrap());
    Cluster::down().unwrap();
    unchanged(&before, "after a killed `up`, another, and down");
}

/// Every daemon restarts, and the pods do not notice; a killed node comes back.
fn survives(cluster: &Cluster) {
    let pods = || {
        let format = "--output=jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].containerID}{\"\\n\"}{end}";
        cluster.kubectl(&["get", "pods", "--namespace=kube-system", "--selector=app=traefik", format]).unwrap()
    };
    let before = pods();
    for daemon in [
        Daemon::Containerd(1),
        Daemon::Kubelet(1),
        Daemon::KubeProxy(1),
        Daemon::Etcd,
        Daemon::ApiServer,
        Daemon::ControllerManager,
        Daemon::Scheduler,
    ] {
        timed(&format!("restart of {}", daemon.name()), || cluster.restart(daemon).unwrap());
    }
    ready(cluster);
    assert_eq!(pods(), before, "no pod was started anew");
    timed("kill of node2", || cluster.kill_node(2).unwrap());
    assert_eq!(cluster.nodes()[1].init, None);
    timed("start of node2", || cluster.start_node(2).unwrap());
    ready(cluster);
    timed("Traefik on node2 again", || {
        let ingress = (cluster.nodes()[1].ip, 80);
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(ingress).is_err() {
            assert!(Instant::now() < deadline, "node2 does not answer: {}", cluster.report());
            thread::sleep(Duration::from_millis(50));
        }
    });
}

fn ready(cluster: &Cluster) {
    cluster.kubectl(&["wait", "--for=condition=Ready", "node", "--all", "--timeout=60s"]).unwrap();
}

/// Starts a cluster in another process, and kills that process after `delay`.
fn killed_after(delay: Duration) {
    let mut up = Command::new(env!("CARGO_BIN_EXE_test-cluster"));
    up.args(["up", &format!("--nodes={NODES}")]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut up = up.spawn().unwrap();
    // Not a wait for something: the moment of the kill is what is tested.
    thread::sleep(delay);
    up.kill().unwrap();
    up.wait().unwrap();
}

fn options() -> Options {
    Options { nodes: NODES, tools: test_cluster::built().unwrap() }
}

/// Everything that a cluster could leave on the machine.
fn traces() -> BTreeSet<String> {
    let printed = |command: &[&str]| {
        let output = Command::new(command[0]).args(&command[1..]).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| format!("{}: {line}", command[0]))
            .collect::<Vec<_>>()
    };
    let mut traces = BTreeSet::new();
    traces.extend(printed(&["ip", "-brief", "link"]).iter().map(|line| line.split_whitespace().take(2).collect()));
    traces.extend(printed(&["ip", "route", "show", "table", "all"]));
    traces.extend(printed(&["ip", "netns"]));
    traces.extend(printed(&["nft", "list", "ruleset"]));
    traces.extend(printed(&["find", "/sys/fs/cgroup", "-maxdepth", "2", "-type", "d"]));
    traces.extend(printed(&["cat", "/proc/mounts"]));
    traces.extend(processes());
    for folder in ["/etc/cni", "/opt", "/run", "/run/netns", "/usr/libexec", "/var/lib", "/var/log"] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        traces.extend(entries.map(|entry| entry.path().display().to_string()));
    }
    traces.remove(NOTES_OF_MOUNT);
    traces
}

#[track_caller]
fn unchanged(before: &BTreeSet<String>, when: &str) {
    let after = traces();
    let new: Vec<_> = after.difference(before).collect();
    let gone: Vec<_> = before.difference(&after).collect();
    assert!(new.is_empty() && gone.is_empty(), "{when}: new {new:#?}, gone {gone:#?}");
}

/// The processes in pid namespaces other than this one, and those that run a program of the cluster or are told about it.
fn processes() -> Vec<String> {
    let ours = fs::read_link("/proc/self/ns/pid").unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(namespace) = fs::read_link(entry.path().join("ns/pid")) else { continue };
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        // One that has ended has no command line, until this machine's first process takes note.
        if !command.is_empty() && (namespace != ours || command.contains(RUN) || command.contains(PROGRAMS)) {
            found.push(format!("{}: {command}", entry.path().display()));
        }
    }
    found
}

fn timed<T>(what: &str, action: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = action();
    println!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    result
}
