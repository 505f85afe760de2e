//! What the Pod Security Standard `restricted` asks of a pod, so that the namespace admits it, and no key to the API server.
//!
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Namespace, PodSpec};

use super::{Faults, require};
use crate::objects::Objects;

/// The label by which a namespace admits only such pods.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    for namespace in objects.all::<Namespace>()? {
        let labels = namespace.metadata.labels.unwrap_or_default();
        require(&mut faults, labels.get(ENFORCE).is_some_and(|level| level == "restricted"), || {
            format!("the Namespace's {ENFORCE} is {:?}; expected restricted", labels.get(ENFORCE))
        });
    }
    for deployment in objects.all::<Deployment>()? {
        let namespace = deployment.metadata.namespace;
        require(&mut faults, namespace.as_deref().is_some_and(|name| name != "default"), || {
            format!("the Deployment's namespace is {namespace:?}; expected one of its own")
        });
        pod(&mut faults, &deployment.spec.template.spec.unwrap_or_default());
    }
    Ok(faults)
}

fn pod(faults: &mut Vec<String>, pod: &PodSpec) {
    let shared = [pod.host_network, pod.host_pid, pod.host_ipc];
    require(faults, !shared.contains(&Some(true)), || "the pod shares a namespace of the node".into());
    let mut volumes = pod.volumes.iter().flatten();
    require(faults, volumes.all(|volume| volume.host_path.is_none()), || "the pod mounts a path of the node".into());
    require(faults, pod.automount_service_account_token == Some(false), || {
        "the pod gets a key to the API server: automountServiceAccountToken is not false".into()
    });
    let security = pod.security_context.clone().unwrap_or_default();
    require(faults, security.run_as_non_root == Some(true), || {
        "the pod may run as root: runAsNonRoot is not true".into()
    });
    let seccomp = security.seccomp_profile.map(|profile| profile.type_).unwrap_or_default();
    require(faults, seccomp == "RuntimeDefault", || {
        format!("the pod's seccomp profile is {seccomp:?}; expected RuntimeDefault")
    });
    for one in pod.init_containers.iter().flatten().chain(&pod.containers) {
        container(faults, one);
    }
}

fn container(faults: &mut Vec<String>, container: &Container) {
    let name = &container.name;
    let security = container.security_context.clone().unwrap_or_default();
    require(faults, security.allow_privilege_escalation == Some(false), || {
        format!("the container {name} can gain rights: allowPrivilegeEscalation is not false")
    });
    require(faults, security.privileged != Some(true), || format!("the container {name} is privileged"));
    let capabilities = security.capabilities.unwrap_or_default();
    let dropped = capabilities.drop.unwrap_or_default();
    require(faults, dropped == ["ALL"] && capabilities.add.is_none(), || {
        format!(
            "the container {name} drops the capabilities {dropped:?} and adds {:?}; expected ALL and none",
            capabilities.add
        )
    });
    let mut ports = container.ports.iter().flatten();
    require(faults, ports.all(|port| port.host_port.is_none()), || {
        format!("the container {name} takes a port of the node")
    });
    let mut variables = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    require(faults, variables.all(|source| source.secret_key_ref.is_none()), || {
        format!("the container {name} has a secret in its environment; mount it as a file")
    });
}
