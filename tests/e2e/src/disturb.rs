//! What happens to every cluster, under a constant load: no request fails.

use std::time::Instant;

use anyhow::Result;
use test_cluster::Component;

use crate::bed::{Bed, text, until};
use crate::load;

/// The node that is disturbed; the load goes to all of them.
const NODE: u8 = 2;

/// Disturbs under load, waits until everything is as before, and says how many requests there were and how long it took.
fn undisturbed(bed: &Bed, disturb: impl FnOnce() -> Result<()>) -> Result<String> {
    let start = Instant::now();
    let ((), counts) = load::during(bed, |_| {
        disturb()?;
        bed.rolled_out()?;
        bed.settled()
    })?;
    Ok(format!("{} in {:.0} s", counts.none_failed(bed)?, start.elapsed().as_secs_f64()))
}

pub fn rolling_restart(bed: &Bed) -> Result<String> {
    undisturbed(bed, || bed.kubectl(&["rollout", "restart", "deployment/httpserver"]).map(drop))
}

pub fn scaling(bed: &Bed) -> Result<String> {
    undisturbed(bed, || {
        for (replicas, count) in [("--replicas=6", 6), ("--replicas=2", 2), ("--replicas=3", 3)] {
            bed.kubectl(&["scale", "deployment/httpserver", replicas])?;
            until("as many pods are ready", || Ok(bed.ready_pods()?.len() == count))?;
        }
        Ok(())
    })
}

pub fn deletion(bed: &Bed) -> Result<String> {
    undisturbed(bed, || {
        let pods = bed.ready_pods()?;
        bed.kubectl(&["delete", "pod", text(&pods[0], "/metadata/name")?])?;
        until("three pods are ready again", || Ok(bed.ready_pods()?.len() == 3))
    })
}

pub fn drain(bed: &Bed) -> Result<String> {
    while_drained(bed, NODE, || Ok(()))
}

/// Drains a node under load, does something there, and lets it have pods again.
pub fn while_drained(bed: &Bed, number: u8, act: impl FnOnce() -> Result<()>) -> Result<String> {
    let node = bed.node(number).name;
    let drained = undisturbed(bed, || {
        bed.kubectl(&["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"])?;
        until("three pods are ready elsewhere", || Ok(bed.ready_pods()?.len() == 3))?;
        act()
    });
    bed.kubectl(&["uncordon", &node])?;
    // Spread again for what comes next.
    bed.kubectl(&["rollout", "restart", "deployment/httpserver"])?;
    bed.rolled_out()?;
    drained
}

pub fn containerd(bed: &Bed) -> Result<String> {
    restarts(bed, &[Component::Containerd(NODE)])
}

pub fn kubelet(bed: &Bed) -> Result<String> {
    restarts(bed, &[Component::Kubelet(NODE)])
}

pub fn control_plane(bed: &Bed) -> Result<String> {
    restarts(bed, &[Component::ApiServer, Component::Etcd])
}

/// Restarts components; no container restarts with them.
fn restarts(bed: &Bed, components: &[Component]) -> Result<String> {
    let before = containers(bed)?;
    let said = undisturbed(bed, || components.iter().try_for_each(|component| bed.cluster.restart(*component)))?;
    let ready = bed.ready_pods()?.len();
    anyhow::ensure!(ready == 3 && containers(bed)? == before, "containers were restarted, {ready} pods are ready");
    Ok(said)
}

/// The containers that run, by their ids.
fn containers(bed: &Bed) -> Result<Vec<String>> {
    let pods = bed.ready_pods()?;
    let mut ids: Vec<_> = pods
        .iter()
        .map(|pod| Ok(text(pod, "/status/containerStatuses/0/containerID")?.to_owned()))
        .collect::<Result<_>>()?;
    ids.sort();
    Ok(ids)
}
