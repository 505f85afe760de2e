//! The cluster under test, and what several tests do with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use test_cluster::{Cluster, Node};
use test_support::wait::{Patience, find_despite_errors};
use test_support::{Connection, Response, artifacts};

use crate::load::Loads;

/// The namespace of the manifests.
pub const NAMESPACE: &str = "httpserver";

/// The hostname that the Ingress serves.
pub const HOSTNAME: &str = "httpserver.localhost";

/// The hostname that the HTTPRoute serves: another one, so that a response tells which of the two was used.
pub const GATEWAY_HOSTNAME: &str = "gateway.localhost";

/// The image under test: `cargo xtask e2e` makes it.
pub const IMAGE: &str = "localhost/httpserver:e2e";

/// How many of the latest events a report has.
const EVENTS: usize = 15;

/// A running cluster, with the image under test on its nodes.
pub struct Testbed {
    /// The cluster.
    pub cluster: Cluster,
    /// Whether to send as many requests as a number to be published needs.
    pub long: bool,
    /// The loads of which no request may fail.
    pub loads: Loads,
}

impl Testbed {
    /// Wraps a cluster that has the shim and the image under test.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, long: env::var_os("HTTPSERVER_E2E_LONG").is_some(), loads: Loads::default() }
    }

    /// The node of that number, from 1.
    pub fn node(&self, number: u8) -> Node {
        self.cluster.nodes().swap_remove(usize::from(number) - 1)
    }

    /// Fills half of every node except the last with a pod that does nothing. A scheduler that is not asked to spread the
    /// application's pods then puts them all on the last node.
    pub fn fill_nodes(&self) -> Result<()> {
        let nodes = self.cluster.nodes();
        let filled: Vec<_> = nodes.split_last().context("it has nodes")?.1.iter().map(|node| &node.name).collect();
        let label = json!({"app": "ballast"});
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": filled}]}
        ]}}});
        let container = json!({
            "name": "pause",
            "image": "localhost/pause:1",
            "imagePullPolicy": "Never",
            "resources": {"requests": {"cpu": "1", "memory": "10Gi"}}
        });
        // A drain of a node ignores a DaemonSet.
        let ballast = json!({
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "ballast", "namespace": "kube-system"},
            "spec": {
                "selector": {"matchLabels": label},
                "template": {"metadata": {"labels": label}, "spec": {"affinity": affinity, "containers": [container]}}
            }
        });
        self.cluster.apply(&ballast.to_string())?;
        self.cluster.kubectl(&[
            "rollout",
            "status",
            "daemonset/ballast",
            "--namespace=kube-system",
            "--timeout=60s",
        ])?;
        Ok(())
    }

    /// Runs `kubectl --namespace httpserver ARGUMENTS` and returns what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[&["--namespace", NAMESPACE], arguments].concat())
    }

    /// The objects that `kubectl get ARGUMENTS` prints.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&[&["get", "--output=json"], arguments].concat())?)?)
    }

    /// The pods of the Deployment, in any state.
    pub fn pods(&self) -> Result<Vec<Value>> {
        let pods = self.get(&["pods", "--selector=app.kubernetes.io/name=httpserver"])?;
        Ok(pods["items"].as_array().cloned().unwrap_or_default())
    }

    /// The pods that serve: they are ready, and nobody has deleted them.
    pub fn ready_pods(&self) -> Result<Vec<Value>> {
        let ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array();
            let ready =
                conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
            ready && pod["metadata"]["deletionTimestamp"].is_null()
        };
        Ok(self.pods()?.into_iter().filter(ready).collect())
    }

    /// Applies the base with the components that the tests need, as this version. Does not wait.
    pub fn apply(&self, version: &str) -> Result<()> {
        self.cluster.apply(&self.render(version, &[], &[])?)
    }

    /// The YAML that [`Self::apply`] applies, with more components and variables.
    pub fn render(&self, version: &str, components: &[&str], variables: &[&str]) -> Result<String> {
        let scratch = tempfile::tempdir_in("target")?;
        let components = [&["gateway", "ingress", "ingress-tls", "metrics"], components, &["labels"]].concat();
        let components: Vec<_> = components.iter().map(|name| format!("../../manifests/components/{name}")).collect();
        let components = components.join(", ");
        let version = format!("SPIN_VARIABLE_VERSION={version}");
        let literals = [&[version.as_str()], variables].concat();
        let kustomization = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../manifests/base]\n\
             components: [{components}]\nconfigMapGenerator:\n- {{name: httpserver, namespace: {NAMESPACE}, behavior: merge, \
             options: {{immutable: true}}, literals: {literals:?}}}\nimages:\n- {{name: localhost/httpserver, newTag: e2e}}\n\
             patches:\n- target: {{kind: HTTPRoute}}\n  patch: |-\n    - {{op: replace, path: /spec/hostnames/0, \
             value: {GATEWAY_HOSTNAME}}}\n"
        );
        fs::write(scratch.path().join("kustomization.yaml"), kustomization)?;
        kustomize(scratch.path())
    }

    /// Waits until all replicas are of the last change, and the others are no longer in the Service.
    pub fn rolled_out(&self) -> Result<()> {
        self.kubectl(&["rollout", "status", "deployment/httpserver", "--timeout=150s"])?;
        Ok(())
    }

    /// Waits until every deleted pod has had its preStop, its SIGTERM and its drain.
    pub fn settled(&self) -> Result<()> {
        until("every deleted pod has ended", || Ok(self.pods()?.len() == self.ready_pods()?.len()))
    }

    /// Applies this version, waits until it serves, and returns how long that took.
    pub fn deploy(&self, version: &str) -> Result<Duration> {
        let start = Instant::now();
        self.apply(version)?;
        self.rolled_out()?;
        until("the Ingress serves that version", || {
            Ok(self.get_path(1, "/healthz")?.header("version") == Some(version))
        })?;
        Ok(start.elapsed())
    }

    /// Sends `GET path` through the Ingress of a node.
    pub fn get_path(&self, node: u8, path: &str) -> Result<Response> {
        self.send(self.node(node).ip, 80, HOSTNAME, path, "")
    }

    /// Sends `GET path` for that hostname, with more header lines, over a new connection.
    pub fn send(&self, ip: Ipv4Addr, port: u16, hostname: &str, path: &str, lines: &str) -> Result<Response> {
        let mut connection = Connection::try_open(SocketAddr::from((ip, port)))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {hostname}\r\nConnection: close\r\n{lines}\r\n");
        Ok(connection.send(request).try_response()?)
    }

    /// The state of the cluster, for the reader of a failed test.
    pub fn report(&self) -> String {
        let kubectl = |arguments: &[&str]| self.kubectl(arguments).unwrap_or_else(|error| format!("{error:#}"));
        let events = kubectl(&["get", "events", "--sort-by=.lastTimestamp"]);
        let events: Vec<_> = events.lines().rev().take(EVENTS).collect();
        let pods = kubectl(&["get", "pods", "--output=wide"]);
        format!("{pods}\nthe latest events first:\n{}\n{}", events.join("\n"), self.cluster.report())
    }
}

/// The RuntimeClass with the policy against exec, as a platform engineer's own overlay has it.
pub fn runtime_class_without_exec() -> Result<String> {
    let scratch = tempfile::tempdir_in("target")?;
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
        resources: [../../runtimeclass/base]\ncomponents: [../../runtimeclass/components/deny-exec]\n";
    fs::write(scratch.path().join("kustomization.yaml"), kustomization)?;
    kustomize(scratch.path())
}

/// The YAML that kustomize renders of a folder.
pub fn kustomize(folder: &Path) -> Result<String> {
    let output = Command::new(artifacts::tool("kustomize")).arg("build").arg(folder).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits until a message of an event that the field selector chooses contains this text, and returns the message.
pub fn event(testbed: &Testbed, selector: &str, expected: &str) -> Result<String> {
    find(&format!("an event with {expected:?}"), || {
        let events = testbed.get(&["events", "--field-selector", selector])?;
        let mut messages =
            events["items"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str());
        Ok(messages.find(|message| message.contains(expected)).map(str::to_owned))
    })
}

/// Asks until there is an answer, and returns it. An error counts as no answer, and is the reason if none comes.
pub fn find<T>(what: &str, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    find_despite_errors(what, Patience::ROLLOUT, ask)
}

/// Asks until the answer is yes. An error counts as no, and is the reason if the answer stays no.
pub fn until(what: &str, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    find(what, || Ok(ask()?.then_some(())))
}

/// The text at a JSON pointer (RFC 6901), which must be there.
pub fn text<'a>(object: &'a Value, pointer: &str) -> Result<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at {pointer} in {object}"))
}
