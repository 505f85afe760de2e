//! The contract table through the Ingress, each of its cases on a server with the variables that it needs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;
use test_support::artifacts;

use crate::bed::{Bed, HOST, IMAGE, NAMESPACE, until};
use crate::pod::Pod;

const TABLE: &str = "tests/contract.toml";

/// The label of everything that is made for the table; its value is the server's name.
const LABEL: &str = "contract";

/// The node whose Ingress is asked.
const NODE: u8 = 2;

/// What `tests/contract/host.rs` says of a case that nobody started a server for.
const NO_SERVER: &str = "needs a server with the variables";

/// The whole table: on the Deployment, and on a pod for each set of variables that the Deployment does not have.
pub fn through_the_ingress(bed: &Bed) -> Result<String> {
    let servers = servers()?;
    let outcome = start(bed, &servers).and_then(|()| run(bed, &servers));
    // Also what was made before a failure.
    let selector = format!("--selector={LABEL}");
    let deleted = bed.kubectl(&["delete", "ingresses,services,pods", &selector, "--now"]);
    let result = outcome?;
    deleted?;
    Ok(result)
}

/// A server for cases that need the same variables.
struct Server {
    name: String,
    variables: Map<String, Value>,
}

/// One for each set of variables in the table.
fn servers() -> Result<Vec<Server>> {
    let table: Value = toml::from_str(&fs::read_to_string(TABLE)?)?;
    let cases = table["case"].as_array().with_context(|| format!("{TABLE} has no cases"))?;
    let mut sets = Vec::new();
    for set in cases.iter().filter_map(|case| case["variables"].as_object()) {
        if !set.is_empty() && !sets.contains(set) {
            sets.push(set.clone());
        }
    }
    let named = |(number, variables)| Server { name: format!("{LABEL}-{number}"), variables };
    Ok((1..).zip(sets).map(named).collect())
}

/// Starts the servers, and waits until each answers.
fn start(bed: &Bed, servers: &[Server]) -> Result<()> {
    let ingress = bed.get(&["ingress", "httpserver"])?;
    let items: Vec<_> =
        servers.iter().flat_map(|server| [server.pod(), server.service(), server.ingress(&ingress)]).collect();
    bed.cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    let ip = bed.node(NODE).ip;
    for host in servers.iter().map(Server::host) {
        until(&format!("{host} answers"), || Ok(bed.send(ip, 80, &host, "/healthz", "")?.status == 200))?;
    }
    Ok(())
}

/// Runs the table as the tests of servers that somebody else started.
fn run(bed: &Bed, servers: &[Server]) -> Result<String> {
    let list = NamedTempFile::new()?;
    let told = |server: &Server| json!({"variables": server.variables, "url": format!("http://{}", server.host())});
    fs::write(&list, Value::from_iter(servers.iter().map(told)).to_string())?;
    let said = table(bed, list.path())?;
    ensure!(!said.contains(NO_SERVER), "a case has no server:\n{said}");
    let result = said.lines().find(|line| line.starts_with("test result:")).context("the tests have a result")?;
    Ok(result.trim_start_matches("test result: ").to_owned())
}

fn table(bed: &Bed, list: &Path) -> Result<String> {
    let mut xtask = artifacts::xtask();
    xtask.env("HTTPSERVER_CONNECT", format!("{}:80", bed.node(NODE).ip)).env("HTTPSERVER_SERVERS", list);
    let output = xtask.args(["test", "--url", &format!("http://{HOST}")]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said.into_owned())
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
        let pod = Pod::of_component(&self.name, IMAGE).with("/metadata/labels", self.labels());
        let variables = self.variables.iter().map(|(name, value)| (variable(name), value.as_str().unwrap_or_default()));
        variables.fold(pod, |pod, (name, value)| pod.env(&name, value)).into_object()
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
