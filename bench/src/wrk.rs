//! Closed loop: `wrk`, which sends a request on each connection as soon as it has the response to the one before.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::request;
use crate::results::{Metric, Sample};
use crate::scenarios::Load;
use crate::server::on_cores;

/// What begins the line with the result.
const MARK: &str = "RESULT ";

/// Threads of wrk. One can send more than any contender here responds to.
pub const THREADS: u32 = 1;

/// Which request has the other target, if there is one.
const TRAP: u32 = 100;

/// The load generator.
pub struct Wrk {
    /// The program.
    pub program: PathBuf,
    /// The cores it runs on.
    pub cores: Option<String>,
    /// A folder for its script.
    pub folder: PathBuf,
}

/// What wrk says at its end.
#[derive(Deserialize)]
struct Summary {
    requests: u64,
    /// Responses that are no success.
    refused: u64,
    /// Connections that were refused.
    connect: u64,
    /// Requests that could not be sent.
    write: u64,
    /// Responses that could not be read.
    read: u64,
    /// Responses that came too late.
    timeout: u64,
    microseconds: f64,
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Wrk {
    /// Sends the load to the server at `url` for `seconds` seconds, and returns the number of responses and what was measured.
    pub fn run(&self, url: &str, load: &Load, seconds: u32) -> Result<(u64, Sample)> {
        let script = self.folder.join("load.lua");
        fs::write(&script, lua(load))?;
        let mut command = on_cores(&self.program, self.cores.as_deref());
        command.arg(format!("-t{THREADS}")).arg(format!("-c{}", load.connections)).arg(format!("-d{seconds}s"));
        command.args(["--timeout", "10s", "-s"]).arg(&script).arg(format!("{url}{}", load.path));
        let output = command.env_remove("RUST_BACKTRACE").output().context("cannot run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let result = text.lines().find_map(|line| line.strip_prefix(MARK));
        let result = result.with_context(|| format!("wrk says {text}{}", String::from_utf8_lossy(&output.stderr)))?;
        let summary: Summary = serde_json::from_str(result)?;
        summary.check(load)?;
        let milliseconds = |microseconds: f64| microseconds / 1e3;
        let measured = [
            (Metric::Rate, summary.requests as f64 / (summary.microseconds / 1e6)),
            (Metric::P50, milliseconds(summary.p50)),
            (Metric::P99, milliseconds(summary.p99)),
            (Metric::P999, milliseconds(summary.p999)),
            (Metric::Longest, milliseconds(summary.max)),
        ];
        Ok((summary.requests, measured.into()))
    }
}

impl Summary {
    /// Whether each request got the response that it should get.
    fn check(&self, load: &Load) -> Result<()> {
        ensure!(self.requests > 0, "there was no response");
        let Self { requests, refused, connect, write, read, timeout, .. } = self;
        ensure!(
            connect + write + read + timeout == 0,
            "beside {requests} responses there are errors: {connect} of connect, {write} of write, {read} of read, {timeout} late"
        );
        // The last ones of each connection are not counted.
        let expected = load.trap.map_or(0, |_| requests / u64::from(TRAP));
        let tolerance = if expected == 0 { 0 } else { u64::from(load.connections) + 1 };
        ensure!(refused.abs_diff(expected) <= tolerance, "{refused} of {requests} responses are errors");
        Ok(())
    }
}

/// A script that says what to send and prints the result. It has no function for a request, which would be called for each, unless
/// requests differ.
fn lua(load: &Load) -> String {
    let method = if load.body == 0 { "GET" } else { "POST" };
    let mut script = format!("wrk.method = \"{method}\"\n");
    for (name, value) in request::fields(load) {
        writeln!(script, "wrk.headers[\"{name}\"] = \"{value}\"").expect("a String takes text");
    }
    if load.body > 0 {
        writeln!(script, "wrk.body = string.rep(\"x\", {})", load.body).expect("a String takes text");
    }
    if let Some(trap) = load.trap {
        script += &format!(
            "local count, usual, trap = 0\n\
             init = function() usual, trap = wrk.format(), wrk.format(nil, \"{trap}\") end\n\
             request = function() count = count + 1; return count % {TRAP} == 0 and trap or usual end\n"
        );
    }
    script
        + r#"
done = function(summary, latency, requests)
  local errors = summary.errors
  local figures = {
    requests = summary.requests, refused = errors.status, microseconds = summary.duration,
    connect = errors.connect, write = errors.write, read = errors.read, timeout = errors.timeout,
    p50 = latency:percentile(50), p99 = latency:percentile(99), p999 = latency:percentile(99.9), max = latency.max,
  }
  local members = {}
  for name, value in pairs(figures) do table.insert(members, string.format('"%s":%d', name, value)) end
  io.write('RESULT {' .. table.concat(members, ',') .. '}\n')
end
"#
}
