//! What makes the Deployment one of a component, and keeps it so.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{Faults, require};
use crate::objects::Objects;

/// Seconds of `/delay` at most, and so of any request.
const LONGEST_REQUEST: i64 = 10;

/// How long requests may still run after SIGTERM, in seconds.
const DRAIN_TIMEOUT: &str = "HTTPSERVER_DRAIN_TIMEOUT";

/// The shim's default of it.
const DEFAULT_DRAIN: i64 = 20;

/// Seconds of the grace period that remain after the drain: the server says which connections it cut, and ends by itself, before
/// the kubelet's SIGKILL.
const RESERVE: i64 = 3;

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    let scaled = !objects.all::<HorizontalPodAutoscaler>()?.is_empty();
    for deployment in objects.all::<Deployment>()? {
        let spec = deployment.spec;
        require(&mut faults, !scaled || spec.replicas.is_none(), || {
            "the Deployment has replicas as well as a HorizontalPodAutoscaler: each apply would undo its scaling"
                .to_owned()
        });
        let rolling = spec.strategy.and_then(|strategy| strategy.rolling_update).unwrap_or_default();
        let unavailable = rolling.max_unavailable.map(|value| serde_json::to_value(value).expect("a number or text"));
        require(&mut faults, unavailable == Some(0.into()), || {
            "a rollout may take pods away: maxUnavailable is not 0".into()
        });
        pod(&mut faults, &spec.template.spec.unwrap_or_default());
    }
    Ok(faults)
}

/// Seconds of the container's drain. A value that the shim refuses counts as 0.
fn drain(container: &Container) -> i64 {
    let mut variables = container.env.iter().flatten();
    variables
        .find(|variable| variable.name == DRAIN_TIMEOUT)
        .map_or(DEFAULT_DRAIN, |variable| variable.value.as_deref().and_then(|value| value.parse().ok()).unwrap_or(0))
}

fn pod(faults: &mut Vec<String>, pod: &PodSpec) {
    require(faults, pod.runtime_class_name.as_deref() == Some("wasmtime-spin"), || {
        format!("the pod's RuntimeClass is {:?}; expected wasmtime-spin", pod.runtime_class_name)
    });
    let grace = pod.termination_grace_period_seconds.unwrap_or(30);
    for container in &pod.containers {
        let image = container.image.as_deref().unwrap_or_default();
        let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map(|(_, tag)| tag);
        require(faults, tag.is_some_and(|tag| tag != "latest"), || {
            format!("the image {image:?} has no tag or digest that stays the same")
        });
        let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()?.sleep.as_ref());
        let slept = hook.map_or(0, |sleep| sleep.seconds);
        let drain = drain(container);
        require(faults, slept > LONGEST_REQUEST && drain >= LONGEST_REQUEST, || {
            format!(
                "preStop.sleep {slept} s and {DRAIN_TIMEOUT} {drain} s: a request of {LONGEST_REQUEST} s would be cut, \
                 by Spin's shim at SIGTERM, by ours at the end of the drain"
            )
        });
        let needed = slept + drain + RESERVE;
        require(faults, grace >= needed, || {
            format!(
                "a grace period of {grace} s: expected at least {needed} s, which are preStop.sleep {slept} s, \
                 {DRAIN_TIMEOUT} {drain} s and {RESERVE} s for the end"
            )
        });
    }
    let spread = pod.topology_spread_constraints.as_deref().unwrap_or_default();
    let mut keys: Vec<_> = spread.iter().map(|constraint| constraint.topology_key.as_str()).collect();
    keys.sort_unstable();
    require(faults, keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"], || {
        format!("the pods are spread over {keys:?}; expected nodes and zones")
    });
    for constraint in spread {
        require(faults, constraint.when_unsatisfiable == "ScheduleAnyway", || {
            format!("the spread over {} can block a rollout: expected ScheduleAnyway", constraint.topology_key)
        });
    }
}
