//! A real OpenTelemetry collector, which writes all that it gets into a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Output, artifacts, eventually};

/// A running collector. Dropping it ends the process.
pub struct Collector {
    child: Child,
    folder: TempDir,
    /// Where it takes OTLP over HTTP, as `IP:PORT`.
    pub http: String,
    /// Where it takes OTLP over gRPC.
    pub grpc: String,
}

/// A span as the collector got it.
#[derive(Debug, Clone)]
pub struct Span {
    /// The trace, hexadecimal.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The parent's id; empty if it has none.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// Its attributes; a number as a text, too.
    pub attributes: BTreeMap<String, String>,
    /// The attributes of what sent it.
    pub resource: BTreeMap<String, String>,
    /// All of it.
    pub json: Value,
}

/// A metric as the collector got it.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// The attributes of what sent it.
    pub resource: BTreeMap<String, String>,
    /// All of it.
    pub json: Value,
}

impl Collector {
    /// Starts one on free ports of 127.0.0.1.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Starts one that takes OTLP over HTTP at this address.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn start_at(http: &str) -> Self {
        Self::start_with(http, "")
    }

    /// Starts one that speaks TLS with this certificate and key (PEM).
    ///
    /// # Panics
    /// If it does not start.
    #[cfg(feature = "tls")]
    #[track_caller]
    pub fn with_tls(identity: &crate::tls::Identity) -> Self {
        let (certificate, key) = (identity.certificate(), identity.key());
        Self::start_with("127.0.0.1:0", &format!(", tls: {{cert_file: {certificate:?}, key_file: {key:?}}}"))
    }

    #[track_caller]
    fn start_with(http: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            r#"
receivers:
  otlp:
    protocols:
      http: {{endpoint: "{http}"{more}}}
      grpc: {{endpoint: "127.0.0.1:0"{more}}}
exporters:
  file: {{path: {:?}, flush_interval: 20ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [file]}}
"#,
            folder.path().join("received.json")
        );
        fs::write(folder.path().join("config.yaml"), config).expect("a temporary folder takes files");
        let mut command = Command::new(artifacts::tool("otelcol"));
        command.arg("--config").arg(folder.path().join("config.yaml")).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the collector starts");
        let log = Output::collect(child.stderr.take().expect("piped"));
        // The handle exists before the wait, so that a failed start ends the process.
        let mut collector = Self { child, folder, http: String::new(), grpc: String::new() };
        collector.grpc = endpoint(&log.line_with("Starting GRPC server"));
        collector.http = endpoint(&log.line_with("Starting HTTP server"));
        log.line_with("Everything is ready");
        collector
    }

    /// Stops the process where it is, so that it takes connections and reads nothing; or lets it run on.
    pub fn pause(&self, paused: bool) {
        let signal = if paused { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(&self.child), signal).expect("the process is our own child");
    }

    /// Ends the process; its ports are closed then.
    pub fn end(&mut self) {
        // Both fail if the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        let spans = self.entries("resourceSpans", "scopeSpans", "spans").into_iter().map(|(resource, json)| Span {
            trace_id: text(&json["traceId"]),
            span_id: text(&json["spanId"]),
            parent_id: text(&json["parentSpanId"]),
            name: text(&json["name"]),
            attributes: attributes(&json),
            resource,
            json,
        });
        spans.collect()
    }

    /// Waits for a span for which `found` holds.
    #[track_caller]
    pub fn span(&self, what: &str, found: impl Fn(&Span) -> bool) -> Span {
        eventually(what, || self.spans().into_iter().find(&found))
    }

    /// All metrics so far, each as often as it came.
    pub fn metrics(&self) -> Vec<Metric> {
        let metrics = self.entries("resourceMetrics", "scopeMetrics", "metrics").into_iter();
        metrics.map(|(resource, json)| Metric { name: text(&json["name"]), resource, json }).collect()
    }

    /// Waits for a metric for which `found` holds.
    #[track_caller]
    pub fn metric(&self, what: &str, found: impl Fn(&Metric) -> bool) -> Metric {
        eventually(what, || self.metrics().into_iter().find(&found))
    }

    /// The innermost of these arrays, of all messages, with the attributes of the resource.
    fn entries(&self, resources: &str, scopes: &str, entries: &str) -> Vec<(BTreeMap<String, String>, Value)> {
        let content = fs::read_to_string(self.received()).unwrap_or_default();
        // The last line may not be whole.
        let messages: Vec<Value> = content.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let array = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let resources = messages.iter().flat_map(|message| array(message, resources));
        let scopes = resources.flat_map(|resource| {
            let known = attributes(&resource["resource"]);
            array(&resource, scopes).into_iter().map(move |scope| (known.clone(), scope))
        });
        let entries = scopes.flat_map(|(resource, scope)| {
            array(&scope, entries).into_iter().map(move |entry| (resource.clone(), entry))
        });
        entries.collect()
    }

    fn received(&self) -> PathBuf {
        self.folder.path().join("received.json")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.end();
    }
}

/// The address in a line of the collector's log, which ends with a JSON object.
#[track_caller]
fn endpoint(line: &str) -> String {
    let start = line.find('{').expect("the line has an object");
    let fields: Value = serde_json::from_str(&line[start..]).expect("the object is JSON");
    text(&fields["endpoint"])
}

/// The attributes of a part of a message; a number as a text, too.
pub fn attributes(of: &Value) -> BTreeMap<String, String> {
    let pairs = of["attributes"].as_array().into_iter().flatten();
    pairs
        .map(|pair| {
            (
                text(&pair["key"]),
                text(pair["value"].as_object().and_then(|value| value.values().next()).unwrap_or(&Value::Null)),
            )
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}
