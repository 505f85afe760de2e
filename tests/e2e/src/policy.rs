//! Pods that the cluster refuses, and its messages.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::pod::Pod;
use crate::testbed::{IMAGE, Testbed};

/// Probes and hooks that run a program: a component has none.
pub fn deny_exec(testbed: &Testbed) -> Result<String> {
    let (pod, exec) = (Pod::for_component("with-exec", IMAGE), json!({"exec": {"command": ["true"]}}));
    let probed = pod.clone().with("/spec/containers/0/livenessProbe", exec.clone());
    refused(testbed, &probed, "use httpGet, tcpSocket or grpc")?;
    refused(testbed, &pod.with("/spec/containers/0/lifecycle/preStop", exec), "use preStop.sleep or httpGet")
}

/// A privileged pod: the namespace does not admit it.
pub fn privileged(testbed: &Testbed) -> Result<String> {
    let pod = Pod::for_component("privileged", IMAGE);
    refused(
        testbed,
        &pod.with("/spec/containers/0/securityContext", json!({"privileged": true})),
        "violates PodSecurity",
    )
}

/// A RuntimeClass whose handler no node has: an event of the pod has the reason.
pub fn no_handler(testbed: &Testbed) -> Result<String> {
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nowhere"}, "handler": "nowhere"});
    testbed.cluster.apply(&class.to_string())?;
    let lost = Pod::for_component("lost", IMAGE).with("/spec/runtimeClassName", json!("nowhere"));
    testbed.cluster.apply(&lost.to_string())?;
    let message = lost.event(testbed, "no runtime for");
    testbed.kubectl(&["delete", "pod", "lost", "--force"])?;
    testbed.cluster.kubectl(&["delete", "runtimeclass", "nowhere"])?;
    message
}

/// Applies a pod that must be refused, and returns the reason that the API server gives.
fn refused(testbed: &Testbed, pod: &Pod, expected: &str) -> Result<String> {
    let outcome = testbed.cluster.apply(&pod.to_string());
    let message = outcome.map_or_else(|error| format!("{error:#}"), |()| "it was admitted".to_owned());
    ensure!(message.contains(expected), "expected {expected:?} in: {message}");
    let (_, reason) = message.split_once(" is ").unwrap_or(("", &message));
    Ok(reason.trim().to_owned())
}
