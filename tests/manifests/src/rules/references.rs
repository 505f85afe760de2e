//! Every name that one object has of another is the name of an object in the rendering.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Container, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::{Faults, require};
use crate::objects::Objects;

type Labels = BTreeMap<String, String>;

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    namespaces(&mut faults, objects);
    let deployments = objects.all::<Deployment>()?;
    for deployment in &deployments {
        of_pod(&mut faults, objects, deployment);
    }
    for service in objects.all::<Service>()? {
        let spec = service.spec.unwrap_or_default();
        let selected = selected(&deployments, spec.selector.as_ref().unwrap_or(&Labels::new()));
        require(&mut faults, !selected.is_empty(), || format!("the Service selects no pod: {:?}", spec.selector));
        for port in spec.ports.unwrap_or_default() {
            let name = port.target_port.unwrap_or(IntOrString::Int(port.port));
            let there = selected.iter().all(|deployment| has_port(deployment, &name));
            require(&mut faults, there, || {
                format!("the Service's port {name:?} is not a port of the pods that it selects")
            });
        }
    }
    for budget in objects.all::<PodDisruptionBudget>()? {
        let selector = budget.spec.unwrap_or_default().selector.unwrap_or_default();
        by_selector(&mut faults, &deployments, "PodDisruptionBudget", &selector);
    }
    for policy in objects.all::<NetworkPolicy>()? {
        let spec = policy.spec.unwrap_or_default();
        by_selector(&mut faults, &deployments, "NetworkPolicy", &spec.pod_selector.unwrap_or_default());
        for port in spec.ingress.unwrap_or_default().into_iter().flat_map(|rule| rule.ports.unwrap_or_default()) {
            let name = port.port.unwrap_or(IntOrString::Int(0));
            let there = deployments.iter().all(|deployment| has_port(deployment, &name));
            require(&mut faults, there, || format!("the NetworkPolicy's port {name:?} is not a port of the pods"));
        }
    }
    for scaler in objects.all::<HorizontalPodAutoscaler>()? {
        let target = scaler.spec.scale_target_ref;
        let there = deployments.iter().any(|deployment| deployment.metadata.name.as_ref() == Some(&target.name));
        require(&mut faults, there, || {
            format!("the HorizontalPodAutoscaler scales {:?}, which is not there", target.name)
        });
    }
    let policies: Vec<_> =
        objects.all::<ValidatingAdmissionPolicy>()?.into_iter().map(|policy| policy.metadata.name).collect();
    for binding in objects.all::<ValidatingAdmissionPolicyBinding>()? {
        let name = binding.spec.policy_name;
        require(&mut faults, policies.contains(&Some(name.clone())), || {
            format!("a binding names the policy {name:?}, which is not there")
        });
    }
    Ok(faults)
}

/// All namespaced objects are in the namespace that comes with them.
fn namespaces(faults: &mut Vec<String>, objects: &Objects) {
    let found = |value: &Value| value.as_str().map(str::to_owned);
    let all = objects.values();
    let own: Vec<_> = all
        .iter()
        .filter(|object| object["kind"] == "Namespace")
        .map(|object| found(&object["metadata"]["name"]))
        .collect();
    for object in all {
        let namespace = found(&object["metadata"]["namespace"]);
        require(faults, namespace.is_none() || own.contains(&namespace), || {
            format!("{} is in namespace {namespace:?}; expected {own:?}", crate::objects::name(object))
        });
    }
}

fn of_pod(faults: &mut Vec<String>, objects: &Objects, deployment: &Deployment) {
    let named = |kind: &str, name: &str| {
        objects.values().iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    };
    let spec = deployment.spec.clone();
    let template = spec.template;
    let labels = template.metadata.unwrap_or_default().labels.unwrap_or_default();
    require(faults, matches(&spec.selector.match_labels.unwrap_or_default(), &labels), || {
        "the Deployment's selector does not match its own pods".to_owned()
    });
    let pod = template.spec.unwrap_or_default();
    let account = pod.service_account_name.unwrap_or_default();
    require(faults, named("ServiceAccount", &account), || format!("the pod's ServiceAccount {account:?} is not there"));
    for container in &pod.containers {
        for source in container.env_from.iter().flatten().filter_map(|source| source.config_map_ref.as_ref()) {
            require(faults, named("ConfigMap", &source.name), || {
                format!("the ConfigMap {:?} is not there", source.name)
            });
        }
        for port in probed_ports(container) {
            require(faults, has_port(deployment, &port), || {
                format!("a probe asks port {port:?}, which the container has not")
            });
        }
    }
}

fn probed_ports(container: &Container) -> Vec<IntOrString> {
    let probes = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe];
    probes.into_iter().flatten().filter_map(|probe| Some(probe.http_get.as_ref()?.port.clone())).collect()
}

fn by_selector(faults: &mut Vec<String>, deployments: &[Deployment], what: &str, selector: &LabelSelector) {
    let labels = selector.match_labels.clone().unwrap_or_default();
    require(faults, !selected(deployments, &labels).is_empty(), || format!("the {what} selects no pod: {labels:?}"));
}

fn selected<'a>(deployments: &'a [Deployment], selector: &Labels) -> Vec<&'a Deployment> {
    let labels = |deployment: &Deployment| deployment.spec.template.metadata.clone()?.labels;
    deployments.iter().filter(|deployment| matches(selector, &labels(deployment).unwrap_or_default())).collect()
}

fn matches(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty() && selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

fn has_port(deployment: &Deployment, wanted: &IntOrString) -> bool {
    let pod = deployment.spec.template.spec.clone().unwrap_or_default();
    let mut ports = pod.containers.iter().flat_map(|container| container.ports.iter().flatten());
    ports.any(|port| match wanted {
        IntOrString::Int(number) => port.container_port == *number,
        IntOrString::String(name) => port.name.as_ref() == Some(name),
    })
}
