//! The environment of the container against what the application declares.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::EnvVar;
use test_support::variables;

use super::{Faults, require};
use crate::objects::Objects;

/// The environment variables that the shims read in addition to the application's variables: both those of `SPIN_*` and `OTEL_*`,
/// and ours the others.
const OF_THE_SHIM: [&str; 11] = [
    "HTTPSERVER_DRAIN_TIMEOUT",
    "HTTPSERVER_METRICS_LISTEN",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "SPIN_HTTP_LISTEN_ADDR",
    "SPIN_MAX_INSTANCE_COUNT",
    "SPIN_MAX_INSTANCE_MEMORY",
];

pub fn check(objects: &Objects) -> Faults {
    let declared: BTreeSet<_> = variables::declared().keys().map(|name| variables::in_environment(name)).collect();
    let mut faults = Vec::new();
    let mut of_maps = BTreeSet::new();
    for map in objects.environments()? {
        for name in map.data.unwrap_or_default().into_keys() {
            require(&mut faults, declared.contains(&name), || {
                format!("{name} in the ConfigMap is not a variable of spin.toml; expected one of {declared:?}")
            });
            of_maps.insert(name);
        }
        require(&mut faults, map.immutable == Some(true), || "the ConfigMap is not immutable".to_owned());
    }
    for deployment in objects.all::<Deployment>()? {
        let pod = deployment.spec.template.spec.unwrap_or_default();
        // A bare name like VERSION would override SPIN_VARIABLE_VERSION in Spin's shim.
        for variable in pod.containers.iter().flat_map(|container| container.env.iter().flatten()) {
            let known = declared.contains(&variable.name) || OF_THE_SHIM.contains(&variable.name.as_str());
            require(&mut faults, known, || {
                format!("{} in the environment is neither a variable of spin.toml nor the shim's", variable.name)
            });
        }
        for container in &pod.containers {
            references(&mut faults, container.env.as_deref().unwrap_or_default(), of_maps.clone());
        }
        require(&mut faults, pod.enable_service_links == Some(false), || {
            "the pod gets variables of Services, which Spin's shim lets override the application's: expected \
             `enableServiceLinks: false`"
                .to_owned()
        });
    }
    Ok(faults)
}

/// Each `$(NAME)` in a value is a variable that is `known`, or comes before; of others Kubernetes leaves the text as it is.
fn references(faults: &mut Vec<String>, variables: &[EnvVar], mut known: BTreeSet<String>) {
    for variable in variables {
        let parts = variable.value.as_deref().unwrap_or_default().split("$(").skip(1);
        for name in parts.map(|part| part.split(')').next().unwrap_or_default()) {
            require(faults, known.contains(name), || {
                format!("{} has $({name}), which is no variable that comes before it", variable.name)
            });
        }
        known.insert(variable.name.clone());
    }
}
