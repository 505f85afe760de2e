//! The compiler of a component that somebody made to harm a node.

use std::{fs, path::Path, thread, time::Instant};

use anyhow::{Context, Result, ensure};
use test_cluster::wait::find;
use test_hostile as hostile;

use crate::{cri::PATIENCE, node::Node, pod::Container};

/// A process of the shim's program.
#[derive(Debug)]
struct Process {
    cgroup: String,
    user: String,
    capabilities: String,
    oom_score: String,
    threads: String,
    nice: String,
}

pub fn of_a_slow_component(node: &Node) -> Result<()> {
    let pod = node.own_pod()?;
    let start = Instant::now();
    let (created, seen) = thread::scope(|scope| {
        let created = scope.spawn(|| pod.run(Container::of_component(hostile::SLOW, node.port())));
        let seen = find("a process that compiles is in the pod's group", PATIENCE, || {
            ensure!(
                !created.is_finished(),
                "nothing compiled in the pod's group; of the shim's program are {:?}",
                all()?
            );
            Ok(all()?.into_iter().find(|process| process.cgroup.starts_with(&format!("{}/", pod.cgroup()))))
        });
        (created.join().expect("it does not panic"), seen)
    });
    let seen = seen.with_context(|| format!("of the shim's program are {:?}", all()))?;
    let said = format!("{:#}", created.err().context("the container started")?);
    ensure!(said.contains("the component cannot be compiled: that takes"), "{said}");
    let took = start.elapsed();
    ensure!(took < PATIENCE, "it took {took:?}");
    let is = (&*seen.user, &*seen.capabilities, &*seen.oom_score, &*seen.threads, &*seen.nice);
    ensure!(is == ("65534", "0000000000000000", "1000", "1", "19"), "{seen:?}");
    let left = format!("/sys/fs/cgroup{}", seen.cgroup);
    ensure!(!Path::new(&left).exists(), "{left} is left");
    println!("{}: {seen:?}; refused after {took:?}: {said}", node.handler);
    Ok(())
}

/// The processes of the shim's program, except the containers of applications.
fn all() -> Result<Vec<Process>> {
    let processes = fs::read_dir("/proc")?.filter_map(|entry| process(&entry.ok()?.path()));
    Ok(processes.filter(|process| !process.cgroup.contains("cri-containerd-")).collect())
}

/// None if it is another program's, or ended meanwhile.
fn process(folder: &Path) -> Option<Process> {
    let program = fs::read_link(folder.join("exe")).ok()?;
    if !program.to_str()?.contains("containerd-shim-wasmtime-spin-v1") {
        return None;
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let status = read("status")?;
    let field = |name: &str| {
        Some(status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.to_owned())
    };
    Some(Process {
        cgroup: read("cgroup")?.trim().strip_prefix("0::")?.to_owned(),
        user: field("Uid:")?,
        capabilities: field("CapEff:")?,
        oom_score: read("oom_score_adj")?.trim().to_owned(),
        threads: field("Threads:")?,
        // The 19th field; the second, the name, is in parentheses (proc(5)).
        nice: read("stat")?.rsplit_once(')')?.1.split_whitespace().nth(16)?.to_owned(),
    })
}
