//! What an operator sees: where the pods are, their logs and figures, and what their processes may do.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cgroup;
use crate::images::BASELINE;
use crate::pod::Pod;
use crate::process::{PodProcess, has_capabilities};
use crate::testbed::{IMAGE, Testbed, find, text};

/// The pods are spread, although one of the nodes is almost empty and the scheduler spreads only what asks for it.
pub fn spread(testbed: &Testbed) -> Result<String> {
    // A probe may have failed on a busy machine.
    let pods = find("three pods are ready", || Ok(Some(testbed.ready_pods()?).filter(|pods| pods.len() == 3)))?;
    let nodes: BTreeSet<_> = pods.iter().map(|pod| text(pod, "/spec/nodeName")).collect::<Result<_>>()?;
    ensure!(nodes.len() == 3, "three pods on {nodes:?}");
    Ok(format!("{nodes:?}"))
}

/// `kubectl logs` has the line of a request.
pub fn logs(testbed: &Testbed) -> Result<String> {
    let marker = "/e2e-marker";
    testbed.get_path(1, marker)?;
    let line = log_line(testbed, marker)?;
    ensure!(line["status"] == 200 && line["method"] == "GET", "{line}");
    Ok(line.to_string())
}

/// The line of the access log that contains this path.
pub fn log_line(testbed: &Testbed, path: &str) -> Result<Value> {
    let line = find("the request is in the log", || {
        let log = testbed.kubectl(&["logs", "--selector=app.kubernetes.io/name=httpserver", "--tail=-1"])?;
        Ok(log.lines().find(|line| line.contains(path)).map(str::to_owned))
    })?;
    serde_json::from_str(&line).with_context(|| line.clone())
}

/// `kubectl top` has figures for three pods.
pub fn top(testbed: &Testbed) -> Result<String> {
    let figures = find("metrics-server has figures for three pods", || {
        let figures = testbed.kubectl(&["top", "pods", "--no-headers"])?;
        Ok((figures.lines().count() >= 3).then_some(figures))
    })?;
    let figures: Vec<_> =
        figures.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect();
    Ok(figures.join(", "))
}

/// The user, the capabilities, NoNewPrivs and the seccomp mode of every thread.
pub fn privileges(testbed: &Testbed) -> Result<String> {
    let mut threads = 0;
    let pods = testbed.ready_pods()?;
    ensure!(!pods.is_empty(), "no pod is ready");
    for pod in pods {
        for status in PodProcess::for_application(&pod)?.threads()? {
            threads += 1;
            ensure!(!has_capabilities(&status), "{status:?}");
            ensure!(status.nonewprivs == Some(1) && status.seccomp == Some(2), "{status:?}");
            ensure!([status.ruid, status.euid, status.suid, status.fuid] == [65532; 4], "{status:?}");
            ensure!([status.rgid, status.egid, status.sgid, status.fgid] == [65532; 4], "{status:?}");
        }
    }
    Ok(format!("{threads} threads: uid 65532, no capability in any set, NoNewPrivs 1, Seccomp 2"))
}

/// The groups, the limits, the read-only root and the oom_score_adj of the running process.
pub fn limits(testbed: &Testbed) -> Result<String> {
    let resources = json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}});
    let pod = Pod::for_component("limited", IMAGE)
        .with("/spec/containers/0/resources", resources)
        .with("/spec/securityContext/runAsGroup", json!(65532))
        .with("/spec/securityContext/supplementalGroups", json!([1234]));
    pod.while_ready(testbed, |state| {
        let serving = PodProcess::for_application(state)?;
        let memory = cgroup::memory_limit(&serving.process)?;
        ensure!(memory == Some(128 << 20), "memory {memory:?}");
        let cpu = cgroup::cpu_limit(&serving.process)?;
        ensure!(cpu == Some((50_000, 100_000)), "CPU {cpu:?}");
        let groups = serving.process.status()?.groups;
        ensure!(groups == [1234, 65532], "groups {groups:?}");
        let root = serving.mount_options("/")?;
        let is_mounted = |wanted| root.iter().any(|option| option == wanted);
        ensure!(is_mounted("ro") && is_mounted("nodev"), "the root is mounted {root:?}");
        let (found, expected) = (serving.process.oom_score_adj()?, oom_score(testbed, 64 << 20)?);
        ensure!(found == expected, "oom_score_adj {found}, expected {expected}");
        Ok(format!("128 MiB, half a CPU, groups {groups:?}, root read-only and without devices, oom_score_adj {found}"))
    })
}

/// The oom_score_adj that the kubelet gives a container of class Burstable: the less of the node's memory a container requests, the
/// sooner the kernel ends it.
fn oom_score(testbed: &Testbed, request: u64) -> Result<i16> {
    let node = testbed.get(&["node", "node1"])?;
    let capacity: u64 = text(&node, "/status/capacity/memory")?.trim_end_matches("Ki").parse()?;
    Ok((1000 - 1000 * request / (capacity * 1024)).clamp(3, 999).try_into()?)
}

/// The memory of the pods' and their shims' processes, and of the Go server that does the same.
pub fn memory(testbed: &Testbed) -> Result<String> {
    let pods = testbed.ready_pods()?;
    ensure!(!pods.is_empty(), "no pod is ready");
    let mut lines = pods.iter().map(|pod| used(&PodProcess::for_application(pod)?)).collect::<Result<Vec<_>>>()?;
    let baseline = Pod::for_program("baseline", BASELINE, &["/baseline"]);
    lines.push(format!("Go: {}", baseline.while_ready(testbed, |state| used(&PodProcess::named(state, "baseline")?))?));
    Ok(lines.join("; "))
}

fn used(process: &PodProcess) -> Result<String> {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let shims = process.shims_resident()?.into_iter().map(mib).collect::<Vec<_>>().join(" + ");
    let (resident, own) = (mib(process.resident()?), mib(process.proportional()?));
    Ok(format!(
        "{resident} MiB ({own} of its own), its shim's processes {shims} ({} of their own)",
        mib(process.shims_proportional()?)
    ))
}
