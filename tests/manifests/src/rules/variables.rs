//! The environment of the container against what the application declares.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use test_support::artifacts;

use super::{Faults, require};
use crate::objects::Objects;

/// The environment variables that the shims read in addition to the application's variables: both those of `SPIN_*`, and ours the
/// other one.
const OF_THE_SHIM: [&str; 4] =
    ["HTTPSERVER_DRAIN_TIMEOUT", "SPIN_HTTP_LISTEN_ADDR", "SPIN_MAX_INSTANCE_COUNT", "SPIN_MAX_INSTANCE_MEMORY"];

pub fn check(objects: &Objects) -> Faults {
    let declared = declared();
    let mut faults = Vec::new();
    for map in objects.all::<ConfigMap>()? {
        for name in map.data.unwrap_or_default().into_keys() {
            require(&mut faults, declared.contains(&name), || {
                format!("{name} in the ConfigMap is not a variable of spin.toml; expected one of {declared:?}")
            });
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
        require(&mut faults, pod.enable_service_links == Some(false), || {
            "the pod gets variables of Services, which Spin's shim lets override the application's: expected \
             `enableServiceLinks: false`"
                .to_owned()
        });
    }
    Ok(faults)
}

/// The variables of `spin.toml`, as environment variables. That `src/config.rs` has the same is tested there.
fn declared() -> BTreeSet<String> {
    let text = fs::read_to_string(artifacts::manifest()).expect("the repository has a spin.toml");
    let manifest: toml::Table = text.parse().expect("the repository's spin.toml is valid");
    let variables = manifest["variables"].as_table().expect("it declares variables");
    variables.keys().map(|name| format!("SPIN_VARIABLE_{}", name.to_uppercase())).collect()
}
