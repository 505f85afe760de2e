//! Who may connect to the pods, and to whom the pods may.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Faults, require, verdict};
use crate::objects::Objects;

/// Where the collector of traces and metrics is.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The port of DNS servers (RFC 1035, §4.2).
const DNS: i32 = 53;

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    let collectors = collectors(objects)?;
    for spec in policies(objects)? {
        let types = spec.policy_types.unwrap_or_default();
        require(&mut faults, types == ["Ingress", "Egress"], || {
            format!("the NetworkPolicy is for {types:?}; expected Ingress and Egress")
        });
        ways_out(&mut faults, &collectors, spec.egress.as_deref().unwrap_or_default());
        let mut rules = spec.ingress.iter().flatten();
        require(&mut faults, rules.all(|rule| rule.ports.as_ref().is_some_and(|ports| !ports.is_empty())), || {
            "the NetworkPolicy lets connections in to any port".into()
        });
    }
    Ok(faults)
}

/// To the collector and to the DNS server, if there is a collector; else none.
fn ways_out(faults: &mut Vec<String>, collectors: &[String], rules: &[NetworkPolicyEgressRule]) {
    require(faults, !collectors.is_empty() || rules.is_empty(), || {
        "the NetworkPolicy lets connections out; the component opens none".into()
    });
    let is_narrow = |rule: &NetworkPolicyEgressRule| {
        let peers = rule.to.as_deref().unwrap_or_default();
        !peers.is_empty() && !peers.iter().any(is_everybody) && rule.ports.as_ref().is_some_and(|all| !all.is_empty())
    };
    require(faults, rules.iter().all(is_narrow), || {
        format!("the NetworkPolicy lets connections out to everybody, or to any port: {rules:?}")
    });
    let open: Vec<_> = rules.iter().flat_map(|rule| rule.ports.iter().flatten()).map(port).collect();
    for collector in collectors {
        let number = collector.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let wanted = [("TCP", number), ("UDP", DNS), ("TCP", DNS)];
        let missing: Vec<_> =
            wanted.into_iter().filter(|(protocol, number)| !open.contains(&(protocol, *number))).collect();
        require(faults, missing.is_empty(), || {
            format!("the NetworkPolicy does not let the pods reach {collector}: expected {missing:?} among {open:?}")
        });
    }
}

/// The protocol and number of a port; 0 if it has a name, which a collector's pods need not have.
fn port(port: &NetworkPolicyPort) -> (&str, i32) {
    let number = match port.port {
        Some(IntOrString::Int(number)) => number,
        _ => 0,
    };
    (port.protocol.as_deref().unwrap_or("TCP"), number)
}

/// The URLs of collectors that the pods have.
fn collectors(objects: &Objects) -> Result<Vec<String>, String> {
    let pods = objects.all::<Deployment>()?.into_iter().filter_map(|deployment| deployment.spec.template.spec);
    let variables = pods.flat_map(|pod| pod.containers).flat_map(|container| container.env.unwrap_or_default());
    Ok(variables.filter(|variable| variable.name == COLLECTOR).filter_map(|variable| variable.value).collect())
}

/// There is a NetworkPolicy, and it says who may connect, which is not everybody.
pub fn closed(rendered: &str) -> Result<(), String> {
    let policies = policies(&Objects::parse(rendered)?)?;
    let mut faults = Vec::new();
    require(&mut faults, !policies.is_empty(), || "there is no NetworkPolicy".into());
    for rule in policies.into_iter().flat_map(|spec| spec.ingress.unwrap_or_default()) {
        let peers = rule.from.unwrap_or_default();
        require(&mut faults, !peers.is_empty() && !peers.iter().any(is_everybody), || {
            format!("the NetworkPolicy lets everybody in: expected the ingress controller, found {peers:?}")
        });
    }
    verdict(&faults)
}

fn policies(objects: &Objects) -> Result<Vec<NetworkPolicySpec>, String> {
    Ok(objects.all::<NetworkPolicy>()?.into_iter().map(|policy| policy.spec.unwrap_or_default()).collect())
}

/// Whether a peer is every pod of the cluster, or every address.
fn is_everybody(peer: &NetworkPolicyPeer) -> bool {
    let all = |selector: &Option<LabelSelector>| selector.as_ref().is_none_or(|all| *all == LabelSelector::default());
    peer.ip_block.as_ref().map_or_else(
        || peer.namespace_selector.is_some() && all(&peer.namespace_selector) && all(&peer.pod_selector),
        |block| block.cidr.ends_with("/0"),
    )
}
