//! A real Prometheus, which scrapes what a test tells it to.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Connection, Output, artifacts};

/// A running Prometheus. Dropping it ends the process, and prints what it printed if the test is failing.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    log: Output,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one with this configuration, a file in YAML, and waits until it takes queries.
    ///
    /// # Panics
    /// If it does not start; the message has what it printed.
    #[track_caller]
    pub fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, configuration).expect("a temporary folder takes files");
        let mut command = Command::new(artifacts::tool("prometheus"));
        command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(folder.path().join("data"));
        command.args(["--web.listen-address=127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("Prometheus starts");
        let log = Output::collect(child.stderr.take().expect("piped"));
        // The handle exists before the wait, so that a failed start ends the process.
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut prometheus = Self { child, address, log, _folder: folder };
        let line = prometheus.log.line_with("msg=\"Listening on\"");
        let (_, address) = line.rsplit_once("address=").expect("the line has an address");
        prometheus.address = address.parse().unwrap_or_else(|_| panic!("no socket address in {line:?}"));
        prometheus.log.line_with("Server is ready to receive web requests");
        prometheus
    }

    /// The `data` of its response to `GET /api/v1/PATH?NAME=VALUE&…`.
    ///
    /// # Errors
    /// What it says is wrong, also where it responds with a warning or a hint.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let pairs: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let mut connection = Connection::try_open(self.address).context("cannot connect to Prometheus")?;
        let request = format!("GET /api/v1/{path}?{} HTTP/1.1\r\nHost: prometheus\r\n\r\n", pairs.join("&"));
        let mut answer = connection.send(request).try_response()?.json();
        let is_clean = answer["status"] == "success" && answer["warnings"].is_null() && answer["infos"].is_null();
        ensure!(is_clean, "{parameters:?}: {answer}");
        Ok(answer["data"].take())
    }

    /// The series that a query has now: each with its labels in `metric`, its time and value in `value`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let mut data = self.get("query", &[("query", expression)])?;
        Ok(data["result"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// The one number that a query has now; `None` if it has no series.
    ///
    /// # Errors
    /// As [`Self::get`], or there are several series.
    pub fn number(&self, expression: &str) -> Result<Option<f64>> {
        let series = self.query(expression)?;
        ensure!(series.len() <= 1, "{expression}: {} series, expected one: {series:?}", series.len());
        let number = |series: &Value| series["value"][1].as_str().and_then(|number| number.parse().ok());
        series.first().map(|series| number(series).with_context(|| format!("{expression}: {series}"))).transpose()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- Prometheus\n{}---", self.log);
        }
        // Both fail if the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
