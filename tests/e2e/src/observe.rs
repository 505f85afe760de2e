//! What an operator sees: where the pods are, their logs, their figures, and what their processes may do.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use serde_json::{Value, json};

use crate::cgroup;
use crate::images::BASELINE;
use crate::pod::Pod;
use crate::process::{PodProcess, has_capabilities};
use crate::testbed::{IMAGE, Testbed, text, until};

/// Though one of the nodes is almost empty, and the scheduler spreads nothing that does not ask for it.
pub fn spread(testbed: &Testbed) -> Result<String> {
    let pods = testbed.ready_pods()?;
    let nodes: BTreeSet<_> = pods.iter().map(|pod| text(pod, "/spec/nodeName")).collect::<Result<_>>()?;
    ensure!(pods.len() == 3 && nodes.len() == 3, "{} pods on {nodes:?}", pods.len());
    Ok(format!("{nodes:?}"))
}

pub fn logs(testbed: &Testbed) -> Result<String> {
    let marker = "/e2e-marker";
    testbed.ask(1, marker)?;
    let line = log_line(testbed, marker)?;
    ensure!(line["status"] == 200 && line["method"] == "GET", "{line}");
    Ok(line.to_string())
}

/// The line of the access log that has this path.
pub fn log_line(testbed: &Testbed, path: &str) -> Result<Value> {
    let mut line = String::new();
    until("the request is in the log", || {
        let log = testbed.kubectl(&["logs", "--selector=app.kubernetes.io/name=httpserver", "--tail=-1"])?;
        line = log.lines().find(|line| line.contains(path)).unwrap_or_default().to_owned();
        Ok(!line.is_empty())
    })?;
    serde_json::from_str(&line).with_context(|| line.clone())
}

pub fn top(testbed: &Testbed) -> Result<String> {
    let mut figures = String::new();
    until("metrics-server has figures for three pods", || {
        figures = testbed.kubectl(&["top", "pods", "--no-headers"])?;
        Ok(figures.lines().count() >= 3)
    })?;
    let figures: Vec<_> =
        figures.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect();
    Ok(figures.join(", "))
}

pub fn rights(testbed: &Testbed) -> Result<String> {
    let mut threads = 0;
    let pods = testbed.ready_pods()?;
    ensure!(!pods.is_empty(), "no pod is there to look at");
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

/// What the pod asks for beyond rights, of the running process: groups, limits, a root that nobody can write to, and how soon
/// the kernel may end it.
pub fn limits(testbed: &Testbed) -> Result<String> {
    let resources = json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}});
    let pod = Pod::of_component("limited", IMAGE)
        .with("/spec/containers/0/resources", resources)
        .with("/spec/securityContext/runAsGroup", json!(65532))
        .with("/spec/securityContext/supplementalGroups", json!([1234]));
    pod.while_ready(testbed, |state| {
        let process = PodProcess::for_application(state)?;
        let memory = cgroup::memory_limit(&process.process)?;
        ensure!(memory == Some(128 << 20), "memory {memory:?}");
        let cpu = cgroup::cpu_limit(&process.process)?;
        ensure!(cpu == Some((50_000, 100_000)), "CPU {cpu:?}");
        let groups = process.process.status()?.groups;
        ensure!(groups == [1234, 65532], "groups {groups:?}");
        let root = process.mount_options("/")?;
        let is_mounted = |wanted| root.iter().any(|option| option == wanted);
        ensure!(is_mounted("ro") && is_mounted("nodev"), "the root is mounted {root:?}");
        let (found, expected) = (process.process.oom_score_adj()?, oom_score(testbed, 64 << 20)?);
        ensure!(found == expected, "oom_score_adj {found}, expected {expected}");
        Ok(format!("128 MiB, half a CPU, groups {groups:?}, root read-only and without devices, oom_score_adj {found}"))
    })
}

/// What the kubelet gives a container of class Burstable: the less of the node's memory it requests, the sooner it goes.
fn oom_score(testbed: &Testbed, request: u64) -> Result<i16> {
    let node = testbed.get(&["node", "node1"])?;
    let capacity: u64 = text(&node, "/status/capacity/memory")?.trim_end_matches("Ki").parse()?;
    Ok((1000 - 1000 * request / (capacity * 1024)).clamp(3, 999).try_into()?)
}

/// The processes of the pods and of their shims, beside the Go server that does the same.
pub fn memory(testbed: &Testbed) -> Result<String> {
    let pods = testbed.ready_pods()?;
    ensure!(!pods.is_empty(), "no pod is there to look at");
    let mut lines = pods.iter().map(|pod| used(&PodProcess::for_application(pod)?)).collect::<Result<Vec<_>>>()?;
    let baseline = Pod::of_program("baseline", BASELINE, &["/baseline"]);
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
