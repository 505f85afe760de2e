//! What an OpenTelemetry collector gets of a request that crosses Traefik.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use test_cluster::address;
use test_support::{Collector, Span};

use crate::observe;
use crate::testbed::{HOSTNAME, NAMESPACE, Testbed, find, text, until};

/// The namespace and the Service of the collector, as the component `telemetry` names them.
const COLLECTOR: (&str, &str) = ("monitoring", "opentelemetry-collector");

/// Where Traefik's pods are.
const SYSTEM: &str = "kube-system";

/// The Traefik that traces: a pod of its own, so that the others need no restart.
const TRAEFIK: &str = "traefik-tracing";

/// The port of its entry point in the pod.
const WEB: u16 = 8000;

/// The span of the client, which is the parent of Traefik's.
const CALLER: &str = "00f067aa0ba902b7";

/// How many requests have a `traceparent`, and how many have none. Together they reach each of three pods.
const REQUESTS: usize = 3;

/// Kinds of spans in OTLP.
const SERVER: i64 = 2;

/// Each request is one trace: the client's span, then Traefik's, then the server's, which the access log names.
pub fn through_traefik(testbed: &Testbed) -> Result<String> {
    // The nodes reach this address of the machine only.
    let collector = Collector::start_at(&SocketAddr::from((address::MACHINE, 0)).to_string());
    let outcome = traced(testbed, &collector);
    // The collector runs on, so that the pods end without errors.
    let restored = restore(testbed);
    let measured = outcome?;
    restored?;
    Ok(measured)
}

/// Lets the pods and a Traefik send traces to the collector, and compares what it gets with what was sent.
fn traced(testbed: &Testbed, collector: &Collector) -> Result<String> {
    testbed.cluster.apply(&service(collector)?)?;
    testbed.cluster.apply(&traefik(testbed)?)?;
    testbed.cluster.apply(&testbed.render("v1", &["telemetry"], &[])?)?;
    testbed.rolled_out()?;
    // The old pods send no traces.
    testbed.settled()?;
    let pod = format!("pod/{TRAEFIK}");
    testbed.cluster.kubectl(&["wait", &pod, "--namespace", SYSTEM, "--for=condition=Ready", "--timeout=60s"])?;
    let pod = testbed.cluster.kubectl(&["get", &pod, "--namespace", SYSTEM, "--output=json"])?;
    let traefik: Ipv4Addr = text(&serde_json::from_str(&pod)?, "/status/podIP")?.parse()?;
    until("Traefik has the route", || Ok(testbed.send(traefik, WEB, HOSTNAME, "/healthz", "")?.status == 200))?;

    let mut pods = BTreeMap::new();
    let mut example = String::new();
    for number in 1..=REQUESTS {
        let trace = format!("{number:032x}");
        let continued = format!("traceparent: 00-{trace}-{CALLER}-01\r\n");
        for (path, lines) in [(format!("/continued-{number}"), &*continued), (format!("/begun-{number}"), "")] {
            let response = testbed.send(traefik, WEB, HOSTNAME, &path, lines)?;
            ensure!(response.status == 200, "{path}: {response:?}");
        }
    }
    for number in 1..=REQUESTS {
        let trace = format!("{number:032x}");
        for (path, parent) in [(format!("/continued-{number}"), CALLER), (format!("/begun-{number}"), "")] {
            let spans = trace_of(collector, &path, parent).with_context(|| format!("the trace of {path}"))?;
            let server = &spans[0];
            ensure!(parent.is_empty() || server.trace_id == trace, "{path}: not in the client's trace: {server:?}");
            of_the_server(server, &path)?;
            logged(testbed, server, &path)?;
            *pods.entry(server.resource["k8s.pod.name"].clone()).or_insert(0) += 1;
            example = describe(&spans, &path);
        }
    }
    Ok(format!("{} requests to {} pods, such as {example}", pods.values().sum::<i32>(), pods.len()))
}

/// The spans of a request, from the server's up to the one whose parent is this, the client's or none: one of the server,
/// the others of Traefik, of which the last is of kind server.
fn trace_of(collector: &Collector, path: &str, parent: &str) -> Result<Vec<Span>> {
    let spans = find("all its spans have come", || {
        let all = collector.spans();
        let of_request = |span: &&Span| span.attributes.get("url.path").is_some_and(|found| found == path);
        let is_server = |span: &&Span| span.resource.get("service.name").is_some_and(|name| name == NAMESPACE);
        let Some(server) = all.iter().filter(of_request).find(is_server) else { return Ok(None) };
        let mut spans = vec![server.clone()];
        while let last = spans.last().expect("it has the server's")
            && last.parent_id != parent
        {
            let above = |span: &&Span| (&span.trace_id, &span.span_id) == (&last.trace_id, &last.parent_id);
            let Some(above) = all.iter().find(above) else { return Ok(None) };
            spans.push(above.clone());
        }
        Ok(Some(spans))
    })?;
    let traefik = &spans[1..];
    ensure!(
        traefik.iter().all(|span| span.resource.get("service.name").is_some_and(|name| name == "traefik")),
        "expected Traefik's above the server's: {spans:?}"
    );
    ensure!(traefik.last().is_some_and(|span| span.json["kind"] == SERVER), "no span of Traefik's entry: {spans:?}");
    Ok(spans)
}

/// The name, the kind and the resource of the server's span.
fn of_the_server(span: &Span, path: &str) -> Result<()> {
    ensure!(span.name == "GET /..." && span.json["kind"] == SERVER, "{path}: {span:?}");
    let pods = ["service.version", "k8s.pod.name", "k8s.node.name"].map(|name| span.resource.get(name));
    let [Some(version), Some(pod), Some(node)] = pods else { anyhow::bail!("{path}: {:?}", span.resource) };
    ensure!(version == "v1" && pod.starts_with("httpserver-") && node.starts_with("node"), "{:?}", span.resource);
    Ok(())
}

/// The access log names the trace, and the server's span in it.
fn logged(testbed: &Testbed, span: &Span, path: &str) -> Result<()> {
    let line = observe::log_line(testbed, path)?;
    ensure!(line["trace_id"] == *span.trace_id && line["span_id"] == *span.span_id, "{line} of {span:?}");
    Ok(())
}

/// The spans that the collector has got, from Traefik's to the server's.
fn describe(spans: &[Span], path: &str) -> String {
    let named = |span: &Span| format!("{} {} {:?}", span.resource["service.name"], span.span_id, span.name);
    let names: Vec<_> = spans.iter().rev().map(named).collect();
    format!("{path} in trace {}: {}", spans[0].trace_id, names.join(" > "))
}

/// The Service of the collector. Its address is this machine's, so it has no selector, and its EndpointSlice is ours.
fn service(collector: &Collector) -> Result<String> {
    let (namespace, name) = COLLECTOR;
    let port = collector.http.parse::<SocketAddr>()?.port();
    let items = json!([
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"ports": [{"name": "otlp-http", "port": 4318}]}
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address::MACHINE]}],
            "ports": [{"name": "otlp-http", "port": port}]
        }
    ]);
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
}

/// A pod with what the DaemonSet's have, that traces each request and opens no port of its node.
fn traefik(testbed: &Testbed) -> Result<String> {
    let (namespace, name) = COLLECTOR;
    let daemons = testbed.cluster.kubectl(&["get", "daemonset/traefik", "--namespace", SYSTEM, "--output=json"])?;
    let mut daemons: Value = serde_json::from_str(&daemons)?;
    let mut spec = daemons["spec"]["template"]["spec"].take();
    let container = &mut spec["containers"][0];
    let arguments = container["args"].as_array_mut().context("Traefik has arguments")?;
    arguments.push(json!(format!("--tracing.otlp.http.endpoint=http://{name}.{namespace}:4318/v1/traces")));
    for port in container["ports"].as_array_mut().context("Traefik has ports")? {
        port.as_object_mut().context("a port is an object")?.remove("hostPort");
    }
    // Other labels than the DaemonSet's, which else takes the pod for one of its own.
    let metadata = json!({"name": TRAEFIK, "namespace": SYSTEM, "labels": {"app": TRAEFIK}});
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).to_string())
}

/// The cluster as it was before, whatever has been made of it.
fn restore(testbed: &Testbed) -> Result<()> {
    let traefik = format!("pod/{TRAEFIK}");
    let pod = testbed.cluster.kubectl(&["delete", &traefik, "--namespace", SYSTEM, "--ignore-not-found", "--now"]);
    let deployed = testbed.deploy("v1").and_then(|_| testbed.settled());
    testbed.cluster.kubectl(&["delete", "namespace", COLLECTOR.0, "--ignore-not-found"])?;
    pod?;
    deployed
}
