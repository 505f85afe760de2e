//! Disruptions that every cluster has, under a constant load: no request fails.

use std::time::Instant;

use anyhow::{Result, ensure};
use test_cluster::Daemon;

use crate::load::{self, NoFailures};
use crate::testbed::{Testbed, text, until};

/// The node that is disrupted; the load is on all nodes.
const NODE: u8 = 2;

/// Disrupts the cluster under load, waits until it is as before, and returns how many requests there were and how long it took.
fn without_failed_requests(testbed: &Testbed, disrupt: impl FnOnce() -> Result<()>) -> Result<NoFailures> {
    let start = Instant::now();
    let ((), counts) = load::during(testbed, |_| {
        disrupt()?;
        testbed.rolled_out()?;
        testbed.settled()
    })?;
    Ok(counts.none_failed(testbed)?.and(format!("in {:.0} s", start.elapsed().as_secs_f64())))
}

/// `kubectl rollout restart`.
pub fn rolling_restart(testbed: &Testbed) -> Result<NoFailures> {
    without_failed_requests(testbed, || testbed.kubectl(&["rollout", "restart", "deployment/httpserver"]).map(drop))
}

/// From three replicas to six, to two, and back.
pub fn scaling(testbed: &Testbed) -> Result<NoFailures> {
    without_failed_requests(testbed, || {
        for (replicas, count) in [("--replicas=6", 6), ("--replicas=2", 2), ("--replicas=3", 3)] {
            testbed.kubectl(&["scale", "deployment/httpserver", replicas])?;
            until(&format!("{count} pods are ready"), || Ok(testbed.ready_pods()?.len() == count))?;
        }
        Ok(())
    })
}

/// `kubectl delete pod`.
pub fn deletion(testbed: &Testbed) -> Result<NoFailures> {
    without_failed_requests(testbed, || {
        let pods = testbed.ready_pods()?;
        testbed.kubectl(&["delete", "pod", text(&pods[0], "/metadata/name")?])?;
        until("three pods are ready again", || Ok(testbed.ready_pods()?.len() == 3))
    })
}

/// `kubectl drain` of a node.
pub fn drain(testbed: &Testbed) -> Result<NoFailures> {
    while_drained(testbed, NODE, || Ok(()))
}

/// Drains a node under load, runs `act`, and lets the node have pods again.
pub fn while_drained(testbed: &Testbed, number: u8, act: impl FnOnce() -> Result<()>) -> Result<NoFailures> {
    let node = testbed.node(number).name;
    let outcome = without_failed_requests(testbed, || {
        testbed.kubectl(&["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"])?;
        until("three pods are ready on the other nodes", || Ok(testbed.ready_pods()?.len() == 3))?;
        act()
    });
    testbed.kubectl(&["uncordon", &node])?;
    // The next test finds the pods spread over all nodes again.
    testbed.kubectl(&["rollout", "restart", "deployment/httpserver"])?;
    testbed.rolled_out()?;
    outcome
}

/// A restart of a node's containerd.
pub fn containerd(testbed: &Testbed) -> Result<NoFailures> {
    restarts(testbed, &[Daemon::Containerd(NODE)])
}

/// A restart of a node's kubelet.
pub fn kubelet(testbed: &Testbed) -> Result<NoFailures> {
    restarts(testbed, &[Daemon::Kubelet(NODE)])
}

/// A restart of the API server and of etcd.
pub fn control_plane(testbed: &Testbed) -> Result<NoFailures> {
    restarts(testbed, &[Daemon::ApiServer, Daemon::Etcd])
}

/// Restarts parts of the cluster; no container restarts with them.
fn restarts(testbed: &Testbed, daemons: &[Daemon]) -> Result<NoFailures> {
    let before = containers(testbed)?;
    let restart = || daemons.iter().try_for_each(|daemon| testbed.cluster.restart(*daemon));
    let outcome = without_failed_requests(testbed, restart)?;
    let ready = testbed.ready_pods()?.len();
    ensure!(ready == 3 && containers(testbed)? == before, "containers were restarted, {ready} pods are ready");
    Ok(outcome)
}

/// The ids of the containers that run.
fn containers(testbed: &Testbed) -> Result<Vec<String>> {
    let pods = testbed.ready_pods()?;
    let mut ids: Vec<_> = pods
        .iter()
        .map(|pod| Ok(text(pod, "/status/containerStatuses/0/containerID")?.to_owned()))
        .collect::<Result<_>>()?;
    ids.sort();
    Ok(ids)
}
