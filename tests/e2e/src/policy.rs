//! What the cluster refuses, and how it says so.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::bed::{Bed, IMAGE};
use crate::pod::Pod;

pub fn deny_exec(bed: &Bed) -> Result<String> {
    let (pod, exec) = (Pod::of_component("with-exec", IMAGE), json!({"exec": {"command": ["true"]}}));
    let probed = pod.clone().with("/spec/containers/0/livenessProbe", exec.clone());
    refused(bed, &probed, "use httpGet, tcpSocket or grpc")?;
    refused(bed, &pod.with("/spec/containers/0/lifecycle/preStop", exec), "use preStop.sleep or httpGet")
}

pub fn privileged(bed: &Bed) -> Result<String> {
    let pod = Pod::of_component("privileged", IMAGE);
    refused(bed, &pod.with("/spec/containers/0/securityContext", json!({"privileged": true})), "violates PodSecurity")
}

pub fn no_handler(bed: &Bed) -> Result<String> {
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nowhere"}, "handler": "nowhere"});
    bed.cluster.apply(&class.to_string())?;
    let lost = Pod::of_component("lost", IMAGE).with("/spec/runtimeClassName", json!("nowhere"));
    bed.cluster.apply(&lost.to_string())?;
    let said = lost.event(bed, "no runtime for");
    bed.kubectl(&["delete", "pod", "lost", "--force"])?;
    bed.cluster.kubectl(&["delete", "runtimeclass", "nowhere"])?;
    said
}

/// Applies what must be refused, and returns what the API server says.
fn refused(bed: &Bed, pod: &Pod, expected: &str) -> Result<String> {
    let outcome = bed.cluster.apply(&pod.to_string());
    let said = outcome.map_or_else(|error| format!("{error:#}"), |()| "it was admitted".to_owned());
    ensure!(said.contains(expected), "expected {expected:?} in: {said}");
    let (_, reason) = said.split_once(" is ").unwrap_or(("", &said));
    Ok(reason.trim().to_owned())
}
