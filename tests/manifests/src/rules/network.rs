//! Who may connect to the pods, and to whom the pods may.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Faults, require, verdict};
use crate::objects::Objects;

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    for spec in policies(objects)? {
        let types = spec.policy_types.unwrap_or_default();
        require(&mut faults, types == ["Ingress", "Egress"], || {
            format!("the NetworkPolicy is for {types:?}; expected Ingress and Egress")
        });
        require(&mut faults, spec.egress.is_none_or(|rules| rules.is_empty()), || {
            "the NetworkPolicy lets connections out; the component opens none".into()
        });
        let mut rules = spec.ingress.iter().flatten();
        require(&mut faults, rules.all(|rule| rule.ports.as_ref().is_some_and(|ports| !ports.is_empty())), || {
            "the NetworkPolicy lets connections in to any port".into()
        });
    }
    Ok(faults)
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
