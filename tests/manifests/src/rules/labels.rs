//! The recommended labels, on everything of this application; selectors of two that never change.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::{Faults, require};
use crate::objects::{Objects, name};

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>
const RECOMMENDED: [&str; 6] = ["name", "instance", "version", "component", "part-of", "managed-by"];

/// What a selector may name: it cannot be changed, so nothing that changes.
const SELECTED: [&str; 2] = ["app.kubernetes.io/instance", "app.kubernetes.io/name"];

/// Kinds of `runtimeclass/`: they are for the whole cluster, and no part of this application.
const CLUSTER_WIDE: [&str; 3] = ["RuntimeClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    let maps = objects.all::<ConfigMap>()?;
    let version = maps.iter().filter_map(|map| map.data.as_ref()?.get("SPIN_VARIABLE_VERSION")).next();
    let is_ours = |object: &&Value| !CLUSTER_WIDE.iter().any(|kind| object["kind"] == *kind);
    for object in objects.values().iter().filter(is_ours) {
        labelled(&mut faults, &name(object), &object["metadata"]["labels"], version);
    }
    for deployment in objects.all::<Deployment>()? {
        let spec = deployment.spec;
        let labels = spec.template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
        let labels = serde_json::to_value(labels).expect("a map of text");
        labelled(&mut faults, "the Deployment's pod", &labels, version);
        let selected: BTreeSet<_> = spec.selector.match_labels.unwrap_or_default().into_keys().collect();
        require(&mut faults, selected.iter().eq(&SELECTED), || {
            format!("the Deployment selects by {selected:?}; expected {SELECTED:?}, which never change")
        });
    }
    Ok(faults)
}

fn labelled(faults: &mut Vec<String>, what: &str, labels: &Value, version: Option<&String>) {
    for label in RECOMMENDED {
        let value = labels[format!("app.kubernetes.io/{label}")].as_str();
        require(faults, value.is_some(), || format!("{what} has no label app.kubernetes.io/{label}"));
        if let (true, Some(value), Some(version)) = (label == "version", value, version) {
            require(faults, value == version, || {
                format!("{what} is labelled with version {value:?}, but the ConfigMap has {version:?}")
            });
        }
    }
}
