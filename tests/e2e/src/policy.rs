//! What the cluster refuses, and how it says so.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::pod::Pod;
use crate::testbed::{IMAGE, Testbed};

pub fn guard(testbed: &Testbed) -> Result<String> {
    let (pod, exec) = (Pod::of_component("guarded", IMAGE), json!({"exec": {"command": ["true"]}}));
    let probed = pod.clone().with("/spec/containers/0/livenessProbe", exec.clone());
    refused(testbed, &probed, "use httpGet, tcpSocket or grpc")?;
    refused(testbed, &pod.with("/spec/containers/0/lifecycle/preStop", exec), "use preStop.sleep or httpGet")
}

pub fn privileged(testbed: &Testbed) -> Result<String> {
    let pod = Pod::of_component("privileged", IMAGE);
    refused(
        testbed,
        &pod.with("/spec/containers/0/securityContext", json!({"privileged": true})),
        "violates PodSecurity",
    )
}

pub fn no_handler(testbed: &Testbed) -> Result<String> {
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nowhere"}, "handler": "nowhere"});
    testbed.cluster.apply(&class.to_string())?;
    let lost = Pod::of_component("lost", IMAGE).with("/spec/runtimeClassName", json!("nowhere"));
    testbed.cluster.apply(&lost.to_string())?;
    let said = lost.event(testbed, "no runtime for");
    testbed.kubectl(&["delete", "pod", "lost", "--force"])?;
    testbed.cluster.kubectl(&["delete", "runtimeclass", "nowhere"])?;
    said
}

/// Applies what must be refused, and returns what the API server says.
fn refused(testbed: &Testbed, pod: &Pod, expected: &str) -> Result<String> {
    let outcome = testbed.cluster.apply(&pod.to_string());
    let said = outcome.map_or_else(|error| format!("{error:#}"), |()| "it was admitted".to_owned());
    ensure!(said.contains(expected), "expected {expected:?} in: {said}");
    let (_, reason) = said.split_once(" is ").unwrap_or(("", &said));
    Ok(reason.trim().to_owned())
}
