//! Many pods: by load, and on one node.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bed::{Bed, text, until};
use crate::fail::pod;
use crate::process::Process;
use crate::{bed, load};

/// A quarter of what a kubelet takes (110): enough to see what each costs, on a machine that runs three nodes.
const MANY: usize = 30;

/// The component `hpa` with what a test cannot wait for: five minutes before it scales in. And with less CPU for each pod, so
/// that two cores which also run three nodes are enough to exceed it.
pub fn by_load(bed: &Bed) -> Result<String> {
    let scaler = std::fs::read_to_string("manifests/components/hpa/horizontalpodautoscaler.yaml")?;
    let patient = "  minReplicas: 3\n";
    ensure!(scaler.contains(patient) && scaler.contains("averageUtilization: 70"), "the component has changed");
    let impatient = "  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}\n  minReplicas: 3\n";
    let scaler = scaler.replace(patient, impatient).replace("averageUtilization: 70", "averageUtilization: 20");
    bed.cluster.apply(&scaler)?;
    let replicas = || -> Result<u64> {
        let deployment = bed.get(&["deployment", "httpserver"])?;
        deployment["spec"]["replicas"].as_u64().context("it has replicas")
    };
    let start = Instant::now();
    let mut most = 0;
    let outcome = load::during(bed, |_| {
        until("there are more replicas", || {
            most = most.max(replicas()?);
            Ok(most > 3)
        })?;
        Ok(start.elapsed())
    });
    let settled = outcome.and_then(|(out, counts)| {
        let start = Instant::now();
        until("there are three replicas again", || Ok(replicas()? == 3))?;
        let (out, back) = (out.as_secs(), start.elapsed().as_secs());
        Ok(format!("3 → {most} after {out} s, back after {back} s without load; {}", counts.none_failed()?))
    });
    bed.kubectl(&["delete", "horizontalpodautoscaler", "httpserver"])?;
    settled
}

/// An ordinary Linux container beside the component, in one pod.
pub fn with_a_sidecar(bed: &Bed) -> Result<String> {
    let mut mixed = pod("mixed", &json!([{"name": "SPIN_HTTP_LISTEN_ADDR", "value": "0.0.0.0:8080"}]));
    let mut sidecar = mixed["spec"]["containers"][0].clone();
    sidecar["name"] = json!("sidecar");
    // A program that waits for its end: what every node has, since each pod begins with one.
    sidecar["image"] = json!("localhost/pause:1");
    sidecar["command"] = json!(["/pause"]);
    sidecar["env"] = json!([]);
    mixed["spec"]["containers"].as_array_mut().context("a list")?.push(sidecar);
    bed.cluster.apply(&mixed.to_string())?;
    bed.kubectl(&["wait", "pod/mixed", "--for=condition=Ready", "--timeout=60s"])?;
    let status = bed.get(&["pod", "mixed"])?;
    until("the component answers", || answers(bed, &status))?;
    let containers = status["status"]["containerStatuses"].as_array().context("a list")?;
    for container in containers {
        for process in Process::of_container(text(container, "/containerID")?)? {
            ensure!(process.field("CapBnd")? == "0000000000000000", "{process}");
        }
    }
    bed.kubectl(&["delete", "pod", "mixed", "--wait=false"])?;
    Ok("both run, neither with a capability".to_owned())
}

/// A node full of components.
pub fn many_on_one_node(bed: &Bed) -> Result<String> {
    let template = pod("many", &json!([{"name": "SPIN_HTTP_LISTEN_ADDR", "value": "0.0.0.0:8080"}]));
    let mut spec = template["spec"].clone();
    spec["restartPolicy"] = json!("Always");
    spec["nodeName"] = json!(bed.node(3).name);
    spec["containers"][0]["readinessProbe"] = json!({"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1});
    let labels = json!({"app": "many"});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "many", "namespace": bed::NAMESPACE},
        "spec": {
            "replicas": MANY,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec}
        }
    });
    let start = Instant::now();
    bed.cluster.apply(&deployment.to_string())?;
    bed.kubectl(&["rollout", "status", "deployment/many", "--timeout=150s"])?;
    let started = start.elapsed();
    let pods = bed.get(&["pods", "--selector=app=many"])?["items"].as_array().cloned().unwrap_or_default();
    ensure!(pods.len() == MANY, "{} pods", pods.len());
    let (mut inside, mut outside) = (0, 0);
    for pod in &pods {
        ensure!(answers(bed, pod)?, "{} does not answer", text(pod, "/metadata/name")?);
        let process = Process::of(pod)?;
        inside += process.proportional()?;
        outside += process.shims_proportional()?;
    }
    let start = Instant::now();
    bed.kubectl(&["delete", "deployment", "many", "--cascade=foreground", "--timeout=120s"])?;
    let mib = |kib: u64| kib as f64 / 1024.0 / MANY as f64;
    Ok(format!(
        "{MANY} ready after {:.1} s, gone after {:.1} s; each {:.1} MiB and {:.1} MiB of shim, shared pages divided (PSS)",
        started.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        mib(inside),
        mib(outside)
    ))
}

fn answers(bed: &Bed, pod: &Value) -> Result<bool> {
    let ip = text(pod, "/status/podIP")?.parse()?;
    Ok(bed.send(ip, 8080, bed::HOST, "/healthz", "")?.status == 200)
}
