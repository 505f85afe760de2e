//! Many pods: because of load, and on one node.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::images::BUSYBOX;
use crate::load::{self, NoFailures};
use crate::pod::{Pod, container, get_status};
use crate::process::{self, PodProcess};
use crate::testbed::{self, IMAGE, Testbed, text, until};

/// How many pods run on one node: a quarter of a kubelet's limit of 110, which is enough to see what each costs.
const MANY: usize = 30;

/// The component `hpa`, without the five minutes that it waits before it removes pods, and with less CPU for each pod, so that two
/// cores that also run three nodes can exceed it.
pub fn by_load(testbed: &Testbed) -> Result<NoFailures> {
    let scaler = std::fs::read_to_string("manifests/components/hpa/horizontalpodautoscaler.yaml")?;
    let patient = "  minReplicas: 3\n";
    ensure!(scaler.contains(patient) && scaler.contains("averageUtilization: 70"), "the component has changed");
    let impatient = "  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}\n  minReplicas: 3\n";
    let scaler = scaler.replace(patient, impatient).replace("averageUtilization: 70", "averageUtilization: 20");
    testbed.cluster.apply(&scaler)?;
    let replicas = || -> Result<u64> {
        let deployment = testbed.get(&["deployment", "httpserver"])?;
        deployment["spec"]["replicas"].as_u64().context("it has replicas")
    };
    let start = Instant::now();
    let mut most = 0;
    let outcome = load::during(testbed, |_| {
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
        let measured = format!("from 3 to {most} pods after {out} s, back after {back} s without load");
        Ok(counts.none_failed(testbed)?.and(measured))
    });
    testbed.kubectl(&["delete", "horizontalpodautoscaler", "httpserver"])?;
    settled
}

/// Ordinary Linux containers in the pod of a component: one runs before it, and a second one at the same time sends it requests.
pub fn with_linux_containers(testbed: &Testbed) -> Result<String> {
    // The log has whole lines only.
    let script = "until /busybox wget -q -O - http://127.0.0.1:8080/healthz; do /busybox sleep 1; done; echo; exec /busybox sleep 600";
    let pod = Pod::for_component("mixed", IMAGE)
        .with("/spec/initContainers", json!([container("before", BUSYBOX, &["/busybox", "echo", "prepared"])]))
        .with("/spec/containers/-", container("sidecar", BUSYBOX, &["/busybox", "sh", "-c", script]));
    pod.while_ready(testbed, |state| {
        let log = |container: &str| testbed.kubectl(&["logs", &pod.name, "--container", container]);
        ensure!(log("before")?.trim() == "prepared", "the log of the init container: {:?}", log("before")?);
        until("the sidecar has a response of the component", || Ok(log("sidecar")?.contains("200 ok")))?;
        for container in state["status"]["containerStatuses"].as_array().context("a list")? {
            for status in process::container_statuses(text(container, "/containerID")?)? {
                ensure!(status.capbnd == Some(0), "{status:?}");
            }
        }
        Ok("an init container, and a sidecar that sends requests to the component; none with a capability".to_owned())
    })
}

/// Many components on one node.
pub fn many_on_one_node(testbed: &Testbed) -> Result<String> {
    let template = Pod::for_component("many", IMAGE).on(&testbed.node(3).name);
    let spec = template.with("/spec/restartPolicy", json!("Always")).spec();
    let labels = json!({"app": "many"});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "many", "namespace": testbed::NAMESPACE},
        "spec": {
            "replicas": MANY,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec}
        }
    });
    let start = Instant::now();
    testbed.cluster.apply(&deployment.to_string())?;
    testbed.kubectl(&["rollout", "status", "deployment/many", "--timeout=150s"])?;
    let started = start.elapsed();
    let pods = testbed.get(&["pods", "--selector=app=many"])?["items"].as_array().cloned().unwrap_or_default();
    ensure!(pods.len() == MANY, "{} pods", pods.len());
    let (mut inside, mut outside) = (0, 0);
    for pod in &pods {
        ensure!(get_status(testbed, pod, "/healthz")? == 200, "{} does not respond", text(pod, "/metadata/name")?);
        let process = PodProcess::for_application(pod)?;
        inside += process.proportional()?;
        outside += process.shims_proportional()?;
    }
    let start = Instant::now();
    testbed.kubectl(&["delete", "deployment", "many", "--cascade=foreground", "--timeout=120s"])?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20) / MANY as f64;
    Ok(format!(
        "{MANY} ready after {:.1} s, gone after {:.1} s; each {:.1} MiB and {:.1} MiB of shim, shared pages divided (PSS)",
        started.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        mib(inside),
        mib(outside)
    ))
}
