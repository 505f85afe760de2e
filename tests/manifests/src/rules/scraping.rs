//! What Prometheus finds of the pods: by the annotations of `metrics`, and by the PodMonitor of Prometheus's operator. Neither has a
//! schema in any of the tools: the annotations are a custom, the PodMonitor is another project's kind.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

use super::{Faults, require};
use crate::objects::Objects;

/// By which Prometheus finds a pod, and the values that it must have: `true`, the number of a port, a path of the server's.
const ANNOTATIONS: [&str; 3] = ["prometheus.io/path", "prometheus.io/port", "prometheus.io/scrape"];

/// Where the runtime serves its own figures.
const LISTEN: &str = "HTTPSERVER_METRICS_LISTEN";

/// The port's name.
const PORT: &str = "metrics";

/// The fields of a PodMonitor that we use, of
/// <https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitorSpec>. The API server leaves out
/// fields that it does not know, so a misspelled one would have no effect.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodMonitorSpec {
    job_label: String,
    pod_target_labels: Vec<String>,
    scrape_classic_histograms: bool,
    namespace_selector: NamespaceSelector,
    selector: Selector,
    pod_metrics_endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NamespaceSelector {
    match_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    port: String,
    path: String,
}

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    let deployments = objects.all::<Deployment>()?;
    for deployment in &deployments {
        annotations(&mut faults, &deployment.spec.template);
    }
    for monitor in objects.values().iter().filter(|object| object["kind"] == "PodMonitor") {
        let spec = PodMonitorSpec::deserialize(&monitor["spec"]).map_err(|error| format!("PodMonitor: {error}"))?;
        for deployment in &deployments {
            of_monitor(&mut faults, &spec, deployment);
        }
        for policy in objects.all::<NetworkPolicy>()? {
            admission(&mut faults, &spec, &policy);
        }
    }
    Ok(faults)
}

/// All of them or none; and the port that they name is the one on which the runtime listens.
fn annotations(faults: &mut Vec<String>, template: &PodTemplateSpec) {
    let annotations = template.metadata.as_ref().and_then(|metadata| metadata.annotations.clone()).unwrap_or_default();
    let listens = containers(template).find_map(|container| Some((container, listened(container)?)));
    let Some((container, listened)) = listens else {
        require(faults, !annotations.keys().any(|name| name.starts_with("prometheus.io/")), || {
            format!("the pod has annotations for Prometheus, but no {LISTEN}")
        });
        return;
    };
    let port = named_port(container, PORT);
    require(faults, port == Some(listened), || {
        format!("{LISTEN} has port {listened}, but the container's port {PORT:?} is {port:?}")
    });
    let expected = ["/metrics".to_owned(), listened.to_string(), "true".to_owned()];
    for (name, expected) in ANNOTATIONS.into_iter().zip(expected) {
        let found = annotations.get(name);
        require(faults, found == Some(&expected), || {
            format!("the pod's annotation {name} is {found:?}; expected {expected:?}")
        });
    }
}

fn of_monitor(faults: &mut Vec<String>, monitor: &PodMonitorSpec, deployment: &Deployment) {
    let template = &deployment.spec.template;
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let has = |(name, value): (&String, &String)| labels.get(name) == Some(value);
    let namespace = deployment.metadata.namespace.clone().unwrap_or_default();
    let names = &monitor.namespace_selector.match_names;
    require(faults, names.contains(&namespace) && monitor.selector.match_labels.iter().all(has), || {
        format!("the PodMonitor does not select the Deployment's pods, in namespace {namespace:?}")
    });
    for label in monitor.pod_target_labels.iter().chain([&monitor.job_label]) {
        require(faults, labels.contains_key(label), || format!("the PodMonitor's label {label} is not on the pods"));
    }
    for Endpoint { port, path } in &monitor.pod_metrics_endpoints {
        let there = containers(template).any(|container| named_port(container, port).is_some());
        require(faults, there && path == "/metrics", || {
            format!("the PodMonitor scrapes {path} of port {port:?}: expected /metrics of a port of the pods")
        });
    }
    require(faults, monitor.scrape_classic_histograms, || {
        "the PodMonitor takes no classic buckets, which the alerts and the dashboard read".into()
    });
}

/// Some rule of the policy is for all ports that are scraped, so that one peer may connect to each.
fn admission(faults: &mut Vec<String>, monitor: &PodMonitorSpec, policy: &NetworkPolicy) {
    let spec = policy.spec.clone().unwrap_or_default();
    let admits = spec.ingress.iter().flatten().any(|rule| {
        let open: Vec<_> = rule.ports.iter().flatten().filter_map(|port| port.port.clone()).collect();
        monitor
            .pod_metrics_endpoints
            .iter()
            .all(|Endpoint { port, .. }| open.contains(&IntOrString::String(port.clone())))
    });
    require(faults, admits, || "no rule of the NetworkPolicy lets Prometheus in to each port that it scrapes".into());
}

fn containers(template: &PodTemplateSpec) -> impl Iterator<Item = &Container> {
    template.spec.iter().flat_map(|pod| &pod.containers)
}

/// The port on which the runtime serves its own figures.
fn listened(container: &Container) -> Option<i32> {
    let mut variables = container.env.iter().flatten();
    let value = variables.find(|variable| variable.name == LISTEN)?.value.as_deref().unwrap_or_default();
    Some(value.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0))
}

fn named_port(container: &Container, name: &str) -> Option<i32> {
    let mut ports = container.ports.iter().flatten();
    ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
}
