//! What the cluster refuses, and how it says so.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::bed::{Bed, until};
use crate::fail::pod;

pub fn guard(bed: &Bed) -> Result<String> {
    let mut probed = pod("guarded", &json!([]));
    probed["spec"]["containers"][0]["livenessProbe"] = json!({"exec": {"command": ["true"]}});
    refused(bed, &probed, "use httpGet, tcpSocket or grpc")?;
    let mut hooked = pod("guarded", &json!([]));
    hooked["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"exec": {"command": ["true"]}}});
    refused(bed, &hooked, "use preStop.sleep or httpGet")
}

pub fn privileged(bed: &Bed) -> Result<String> {
    let mut privileged = pod("privileged", &json!([]));
    privileged["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    refused(bed, &privileged, "violates PodSecurity")
}

pub fn no_handler(bed: &Bed) -> Result<String> {
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nowhere"}, "handler": "nowhere"});
    bed.cluster.apply(&class.to_string())?;
    let mut lost = pod("lost", &json!([]));
    lost["spec"]["runtimeClassName"] = json!("nowhere");
    bed.cluster.apply(&lost.to_string())?;
    let mut said = String::new();
    let outcome = until("an event says so", || {
        let events = bed.get(&["events", "--field-selector=involvedObject.name=lost"])?;
        let messages = events["items"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str());
        said = messages.into_iter().find(|message| message.contains("no runtime for")).unwrap_or_default().to_owned();
        Ok(!said.is_empty())
    });
    bed.kubectl(&["delete", "pod", "lost", "--force"])?;
    bed.cluster.kubectl(&["delete", "runtimeclass", "nowhere"])?;
    outcome.map(|()| said)
}

/// Applies what must be refused, and returns what the API server says.
fn refused(bed: &Bed, pod: &Value, expected: &str) -> Result<String> {
    let outcome = bed.cluster.apply(&pod.to_string());
    let said = outcome.map_or_else(|error| format!("{error:#}"), |()| "it was admitted".to_owned());
    ensure!(said.contains(expected), "expected {expected:?} in: {said}");
    let (_, reason) = said.split_once(" is ").unwrap_or(("", &said));
    Ok(reason.trim().to_owned())
}
