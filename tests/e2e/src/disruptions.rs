//! What happens to every cluster, under a constant load: no request fails.

use std::time::Instant;

use anyhow::Result;
use test_cluster::Component;

use crate::load;
use crate::testbed::{Testbed, text, until};

/// The node that is disturbed; the load goes to all of them.
const NODE: u8 = 2;

/// Disturbs under load, waits until everything is as before, and says how many requests there were and how long it took.
fn without_failed_requests(testbed: &Testbed, disturb: impl FnOnce() -> Result<()>) -> Result<String> {
    let start = Instant::now();
    let ((), counts) = load::during(testbed, |_| {
        disturb()?;
        testbed.rolled_out()?;
        testbed.settled()
    })?;
    Ok(format!("{} in {:.0} s", counts.none_failed(testbed)?, start.elapsed().as_secs_f64()))
}

pub fn rolling_restart(testbed: &Testbed) -> Result<String> {
    without_failed_requests(testbed, || testbed.kubectl(&["rollout", "restart", "deployment/httpserver"]).map(drop))
}

pub fn scaling(testbed: &Testbed) -> Result<String> {
    without_failed_requests(testbed, || {
        for (replicas, count) in [("--replicas=6", 6), ("--replicas=2", 2), ("--replicas=3", 3)] {
            testbed.kubectl(&["scale", "deployment/httpserver", replicas])?;
            until("as many pods are ready", || Ok(testbed.ready_pods()?.len() == count))?;
        }
        Ok(())
    })
}

pub fn deletion(testbed: &Testbed) -> Result<String> {
    without_failed_requests(testbed, || {
        let pods = testbed.ready_pods()?;
        testbed.kubectl(&["delete", "pod", text(&pods[0], "/metadata/name")?])?;
        until("three pods are ready again", || Ok(testbed.ready_pods()?.len() == 3))
    })
}

pub fn drain(testbed: &Testbed) -> Result<String> {
    while_drained(testbed, NODE, || Ok(()))
}

/// Drains a node under load, does something there, and lets it have pods again.
pub fn while_drained(testbed: &Testbed, number: u8, act: impl FnOnce() -> Result<()>) -> Result<String> {
    let node = testbed.node(number).name;
    let drained = without_failed_requests(testbed, || {
        testbed.kubectl(&["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"])?;
        until("three pods are ready elsewhere", || Ok(testbed.ready_pods()?.len() == 3))?;
        act()
    });
    testbed.kubectl(&["uncordon", &node])?;
    // Spread again for what comes next.
    testbed.kubectl(&["rollout", "restart", "deployment/httpserver"])?;
    testbed.rolled_out()?;
    drained
}

pub fn containerd(testbed: &Testbed) -> Result<String> {
    restarts(testbed, &[Component::Containerd(NODE)])
}

pub fn kubelet(testbed: &Testbed) -> Result<String> {
    restarts(testbed, &[Component::Kubelet(NODE)])
}

pub fn control_plane(testbed: &Testbed) -> Result<String> {
    restarts(testbed, &[Component::ApiServer, Component::Etcd])
}

/// Restarts components; no container restarts with them.
fn restarts(testbed: &Testbed, components: &[Component]) -> Result<String> {
    let before = containers(testbed)?;
    let said = without_failed_requests(testbed, || {
        components.iter().try_for_each(|component| testbed.cluster.restart(*component))
    })?;
    let ready = testbed.ready_pods()?.len();
    anyhow::ensure!(ready == 3 && containers(testbed)? == before, "containers were restarted, {ready} pods are ready");
    Ok(said)
}

/// The containers that run, by their ids.
fn containers(testbed: &Testbed) -> Result<Vec<String>> {
    let pods = testbed.ready_pods()?;
    let mut ids: Vec<_> = pods
        .iter()
        .map(|pod| Ok(text(pod, "/status/containerStatuses/0/containerID")?.to_owned()))
        .collect::<Result<_>>()?;
    ids.sort();
    Ok(ids)
}
