//! What comes in from outside: by Ingress and by the Gateway API. The fields of the latter's kinds are checked on a cluster: their
//! schemas are not in any of the tools.

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::networking::v1::Ingress;
use regex::Regex;
use serde_json::Value;

use super::{Faults, require};
use crate::objects::Objects;

/// Answered by the host, about itself.
const INSIDE: [&str; 3] = ["/.well-known/spin/health", "/.well-known/spin/info", "/.well-known/spin/"];

/// Must get through, whatever else does not.
const OUTSIDE: [&str; 5] = ["/", "/healthz", "/status/200", "/a/.b", "//"];

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    let services = objects.all::<Service>()?;
    for ingress in objects.all::<Ingress>()? {
        of_ingress(&mut faults, &services, ingress)?;
    }
    for route in objects.values().iter().filter(|object| object["kind"] == "HTTPRoute") {
        of_route(&mut faults, &services, objects, route);
    }
    Ok(faults)
}

fn of_ingress(faults: &mut Vec<String>, services: &[Service], ingress: Ingress) -> Result<(), String> {
    let name = ingress.metadata.name.unwrap_or_default();
    let spec = ingress.spec.unwrap_or_default();
    let annotations = ingress.metadata.annotations.unwrap_or_default();
    require(faults, !annotations.contains_key("kubernetes.io/ingress.class"), || {
        format!("Ingress {name}: the annotation kubernetes.io/ingress.class is deprecated; use ingressClassName")
    });
    require(faults, spec.ingress_class_name.is_some(), || format!("Ingress {name} has no ingressClassName"));
    let hosts: Vec<_> = spec.rules.iter().flatten().map(|rule| rule.host.clone()).collect();
    for host in spec.tls.iter().flatten().flat_map(|tls| tls.hosts.iter().flatten()) {
        require(faults, hosts.contains(&Some(host.clone())), || {
            format!("Ingress {name} has a certificate for {host}, but no rule")
        });
    }
    let paths = spec.rules.into_iter().flatten().flat_map(|rule| rule.http.map_or(Vec::new(), |http| http.paths));
    for path in paths {
        let backend = path.backend.service.unwrap_or_default();
        let wanted = backend.port.unwrap_or_default();
        let there = port(services, ingress.metadata.namespace.as_deref(), &backend.name, |port| {
            wanted.name.as_ref().map_or(wanted.number == Some(port.port), |name| port.name.as_ref() == Some(name))
        });
        require(faults, there, || {
            format!("Ingress {name}: the Service {:?} with port {wanted:?} is not in its namespace", backend.name)
        });
        let pattern = path.path.unwrap_or_default();
        let regex = Regex::new(&pattern).map_err(|error| error.to_string())?;
        for inside in INSIDE {
            require(faults, !regex.is_match(inside), || {
                format!("Ingress {name} serves {inside}, which is not for everybody")
            });
        }
        for outside in OUTSIDE {
            require(faults, regex.is_match(outside), || format!("Ingress {name} does not serve {outside}"));
        }
    }
    Ok(())
}

fn of_route(faults: &mut Vec<String>, services: &[Service], objects: &Objects, route: &Value) {
    let namespace = route["metadata"]["namespace"].as_str();
    let spec = &route["spec"];
    for parent in items(&spec["parentRefs"]) {
        let there = objects.values().iter().any(|object| {
            object["kind"] == "Gateway"
                && object["metadata"]["name"] == parent["name"]
                && object["metadata"]["namespace"].as_str() == namespace
        });
        require(faults, there, || format!("the HTTPRoute's Gateway {} is not in its namespace", parent["name"]));
    }
    for backend in items(&spec["rules"]).iter().flat_map(|rule| items(&rule["backendRefs"])) {
        let name = backend["name"].as_str().unwrap_or_default();
        let there = port(services, namespace, name, |port| backend["port"] == port.port);
        require(faults, there, || {
            format!("the HTTPRoute's Service {name:?} with port {} is not in its namespace", backend["port"])
        });
    }
    // The longest prefix wins, whatever the order.
    let closed = items(&spec["rules"]).iter().any(|rule| {
        rule["backendRefs"].is_null()
            && items(&rule["matches"]).iter().any(|at| at["path"]["value"] == "/.well-known/spin")
    });
    require(faults, closed, || "the HTTPRoute serves /.well-known/spin/, which is not for everybody".to_owned());
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether there is a Service of that name in that namespace with such a port.
fn port(services: &[Service], namespace: Option<&str>, name: &str, wanted: impl Fn(&ServicePort) -> bool) -> bool {
    let mut ports = services
        .iter()
        .filter(|service| service.metadata.name.as_deref() == Some(name))
        .filter(|service| service.metadata.namespace.as_deref() == namespace)
        .flat_map(|service| service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()));
    ports.any(wanted)
}
