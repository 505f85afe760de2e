//! The contract table through the Ingress, each of its cases on a server with the variables that it needs.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use test_contract::{RemoteServer, Target, Variables};

use crate::pod::Pod;
use crate::testbed::{HOSTNAME, IMAGE, NAMESPACE, Testbed, until};

/// The label of everything that is made for the table; its value is the server's name.
const LABEL: &str = "contract";

/// The node through whose Ingress the requests go.
const NODE: u8 = 2;

/// The whole table: on the Deployment, and on a pod for each set of variables that the Deployment does not have.
pub fn through_the_ingress(testbed: &Testbed) -> Result<String> {
    let named = |(number, variables)| Server { name: format!("{LABEL}-{number}"), variables };
    let servers: Vec<_> = (1..).zip(test_contract::variable_sets()).map(named).collect();
    let outcome = start(testbed, &servers).and_then(|()| run(testbed, &servers));
    // Also what was made before a failure.
    let selector = format!("--selector={LABEL}");
    let deleted = testbed.kubectl(&["delete", "ingresses,services,pods", &selector, "--now"]);
    let result = outcome?;
    deleted?;
    Ok(result)
}

/// A server for cases that need the same variables.
struct Server {
    name: String,
    variables: Variables,
}

/// Starts the servers, and waits until each responds.
fn start(testbed: &Testbed, servers: &[Server]) -> Result<()> {
    let ingress = testbed.get(&["ingress", "httpserver"])?;
    let items: Vec<_> =
        servers.iter().flat_map(|server| [server.pod(), server.service(), server.ingress(&ingress)]).collect();
    testbed.cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    let ip = testbed.node(NODE).ip;
    for host in servers.iter().map(Server::host) {
        until(&format!("{host} responds"), || Ok(testbed.send(ip, 80, &host, "/healthz", "")?.status == 200))?;
    }
    Ok(())
}

/// Runs the table on the Deployment and these servers.
fn run(testbed: &Testbed, servers: &[Server]) -> Result<String> {
    // No resolver knows the names.
    let address = SocketAddr::from((testbed.node(NODE).ip, 80)).to_string();
    let remote = |authority: String, variables| RemoteServer { variables, authority, address: address.clone() };
    let mut targets = vec![remote(HOSTNAME.to_owned(), Variables::new())];
    targets.extend(servers.iter().map(|server| remote(server.host(), server.variables.clone())));
    let summary = test_contract::run(Target::remote("ingress", targets));
    ensure!(summary.failed.is_empty(), "{summary}:\n{}", summary.failed.join("\n"));
    ensure!(summary.without_server.is_empty(), "{summary}:\n{}", summary.without_server.join("\n"));
    Ok(summary.to_string())
}

impl Server {
    fn host(&self) -> String {
        format!("{}.localhost", self.name)
    }

    fn labels(&self) -> Value {
        json!({LABEL: self.name})
    }

    fn pod(&self) -> Value {
        let variable = |name: &String| format!("SPIN_VARIABLE_{}", name.to_uppercase());
        let pod = Pod::for_component(&self.name, IMAGE).with("/metadata/labels", self.labels());
        self.variables.iter().fold(pod, |pod, (name, value)| pod.env(&variable(name), value)).into_object()
    }

    fn service(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": NAMESPACE, "labels": self.labels()},
            "spec": {
                "selector": self.labels(),
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}]
            }
        })
    }

    /// The Deployment's Ingress, `shipped`, for this server instead.
    fn ingress(&self, shipped: &Value) -> Value {
        let mut spec = shipped["spec"].clone();
        spec["rules"][0]["host"] = json!(self.host());
        spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = json!(self.name);
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": self.name,
                "namespace": NAMESPACE,
                "labels": self.labels(),
                "annotations": shipped["metadata"]["annotations"]
            },
            "spec": spec
        })
    }
}
