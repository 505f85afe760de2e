//! The cluster under test, and what all tests do with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use test_cluster::{Cluster, Node};
use test_support::{Connection, Response, artifacts};

/// The namespace of the manifests.
pub const NAMESPACE: &str = "httpserver";

/// The hosts that Ingress and HTTPRoute serve: two, so that it is known who answers.
pub const HOST: &str = "httpserver.localhost";
pub const GATEWAY_HOST: &str = "gateway.localhost";

/// The image that `cargo xtask e2e` imported.
pub const IMAGE: &str = "localhost/httpserver:e2e";

/// How long anything may take on a busy machine that has no reason to take long: a rollout of three pods takes half a minute.
const PATIENCE: Duration = Duration::from_secs(150);
const INTERVAL: Duration = Duration::from_millis(100);

/// How many of the latest events are reported.
const EVENTS: usize = 15;

/// A running cluster, with the image under test on its nodes.
pub struct Bed {
    pub cluster: Cluster,
    /// Whether to take the time for the counts that are to be published.
    pub long: bool,
    /// How many requests there were under everything that must not make one fail.
    pub unfailing: AtomicU64,
}

impl Bed {
    /// The cluster that `cargo xtask e2e` started.
    pub fn attach() -> Self {
        let cluster = Cluster::attach().expect("a cluster is running: `cargo xtask e2e` starts one and runs this");
        Self { cluster, long: env::var_os("HTTPSERVER_E2E_LONG").is_some(), unfailing: AtomicU64::new(0) }
    }

    pub fn node(&self, number: u8) -> Node {
        self.cluster.nodes().swap_remove(usize::from(number) - 1)
    }

    /// Takes half of every node but the last for something that does nothing: a scheduler that is not asked to spread the
    /// pods then puts them all on that one.
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
        // Of a DaemonSet, which a drain leaves alone.
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

    /// `kubectl --namespace httpserver ARGUMENTS`.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[&["--namespace", NAMESPACE], arguments].concat())
    }

    /// What `kubectl get ARGUMENTS` knows.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&[&["get", "--output=json"], arguments].concat())?)?)
    }

    /// The pods of the Deployment, in whatever state.
    pub fn pods(&self) -> Result<Vec<Value>> {
        let pods = self.get(&["pods", "--selector=app.kubernetes.io/name=httpserver"])?;
        Ok(pods["items"].as_array().cloned().unwrap_or_default())
    }

    /// The pods that serve: running, ready, and not on their way out.
    pub fn ready_pods(&self) -> Result<Vec<Value>> {
        let ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array();
            let ready =
                conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
            ready && pod["metadata"]["deletionTimestamp"].is_null()
        };
        Ok(self.pods()?.into_iter().filter(ready).collect())
    }

    /// Applies the base with what the tests need of its components, three replicas and this version; waits for nothing.
    pub fn apply(&self, version: &str) -> Result<()> {
        self.cluster.apply(&self.render(version, &[])?)
    }

    /// The same as YAML, with more variables.
    pub fn render(&self, version: &str, variables: &[&str]) -> Result<String> {
        let scratch = tempfile::tempdir_in("target")?;
        let components = ["gateway", "ingress", "ingress-tls", "labels"];
        let components = components.map(|name| format!("../../manifests/components/{name}")).join(", ");
        let version = format!("SPIN_VARIABLE_VERSION={version}");
        let literals = [&[version.as_str()], variables].concat();
        let kustomization = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../manifests/base]\n\
             components: [{components}]\nconfigMapGenerator:\n- {{name: httpserver, namespace: {NAMESPACE}, behavior: merge, \
             options: {{immutable: true}}, literals: {literals:?}}}\nimages:\n- {{name: localhost/httpserver, newTag: e2e}}\n\
             patches:\n- target: {{kind: HTTPRoute}}\n  patch: |-\n    - {{op: replace, path: /spec/hostnames/0, \
             value: {GATEWAY_HOST}}}\n"
        );
        fs::write(scratch.path().join("kustomization.yaml"), kustomization)?;
        kustomize(scratch.path())
    }

    /// Waits until all replicas are those of the last change, and the others are gone from the Service.
    pub fn rolled_out(&self) -> Result<()> {
        self.kubectl(&["rollout", "status", "deployment/httpserver", "--timeout=150s"])?;
        Ok(())
    }

    /// Waits until the last pod on its way out had its preStop, its SIGTERM and its drain.
    pub fn settled(&self) -> Result<()> {
        until("no pod is on its way out", || Ok(self.pods()?.len() == self.ready_pods()?.len()))
    }

    /// Applies this version, waits until it serves, and says how long that took.
    pub fn deploy(&self, version: &str) -> Result<Duration> {
        let start = Instant::now();
        self.apply(version)?;
        self.rolled_out()?;
        until("the Ingress serves that version", || Ok(self.ask(1, "/healthz")?.header("version") == Some(version)))?;
        Ok(start.elapsed())
    }

    /// Asks `GET path` by the Ingress on a node.
    pub fn ask(&self, node: u8, path: &str) -> Result<Response> {
        self.send(self.node(node).ip, 80, HOST, path, "")
    }

    /// Asks `GET path` of that host, with more header lines, over a connection of its own.
    pub fn send(&self, ip: Ipv4Addr, port: u16, host: &str, path: &str, lines: &str) -> Result<Response> {
        let mut connection = Connection::try_open(SocketAddr::from((ip, port)))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n");
        Ok(connection.send(request).try_response()?)
    }

    /// What a failed test needs to see.
    pub fn report(&self) -> String {
        let ask = |arguments: &[&str]| self.kubectl(arguments).unwrap_or_else(|error| format!("{error:#}"));
        let events = ask(&["get", "events", "--sort-by=.lastTimestamp"]);
        let events: Vec<_> = events.lines().rev().take(EVENTS).collect();
        let pods = ask(&["get", "pods", "--output=wide"]);
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

/// What kustomize makes of a folder.
pub fn kustomize(folder: &Path) -> Result<String> {
    let output = Command::new(artifacts::tool("kustomize")).arg("build").arg(folder).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits until an event that the field selector chooses says this: the whole of what it says.
pub fn event(bed: &Bed, selector: &str, expected: &str) -> Result<String> {
    let mut said = None;
    until(&format!("an event says {expected:?}"), || {
        let events = bed.get(&["events", "--field-selector", selector])?;
        let mut messages =
            events["items"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str());
        said = messages.find(|message| message.contains(expected)).map(str::to_owned);
        Ok(said.is_some())
    })?;
    said.context("there is one")
}

/// Asks until it is so. An error counts as not yet, and is the reason if it stays.
pub fn until(what: &str, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if let Ok(true) = answer {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let error = answer.err().map_or_else(String::new, |error| format!(": {error:#}"));
            bail!("not within {PATIENCE:?}: {what}{error}");
        }
        thread::sleep(INTERVAL);
    }
}

/// A text in an object that must be there.
pub fn text<'a>(object: &'a Value, pointer: &str) -> Result<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at {pointer} in {object}"))
}
