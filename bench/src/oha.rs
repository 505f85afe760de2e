//! Open loop: `oha`, which sends requests at a fixed rate whatever comes back. A request that has to wait for a free connection is
//! measured from when it was due, so that a server that stands still cannot hide it (coordinated omission).

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::request;
use crate::results::{Metric, Sample};
use crate::scenarios::Load;
use crate::server::on_cores;

/// How oha calls a request that was on its way at the end.
const CUT: &str = "aborted due to deadline";

/// The load generator.
pub struct Oha {
    /// The program.
    pub program: PathBuf,
    /// The cores it runs on.
    pub cores: Option<String>,
}

/// What to send besides the requests themselves.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests a second; `None` for as many as come back.
    pub rate: Option<f64>,
    /// Streams on each connection of HTTP/2; `None` for HTTP/1.1.
    pub streams: Option<u32>,
    /// How long, seconds.
    pub seconds: u32,
}

/// What came back.
pub struct Answers {
    /// Times and rate of all.
    pub sample: Sample,
    /// How many there were of each status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many requests got no response, by reason.
    pub errors: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    summary: Summary,
    latency_percentiles: BTreeMap<String, Option<f64>>,
    status_code_distribution: BTreeMap<u16, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Summary {
    total: f64,
    slowest: f64,
}

impl Oha {
    /// Sends the load to the server at `url`.
    pub fn run(&self, url: &str, load: &Load, pace: Pace) -> Result<Answers> {
        let mut command = on_cores(&self.program, self.cores.as_deref());
        command.args(["--no-tui", "--output-format", "json", "--worker-threads", "1", "--insecure"]);
        command.args(["-z", &format!("{}s", pace.seconds), "-c", &load.connections.to_string()]);
        if let Some(rate) = pace.rate {
            command.args(["-q", &rate.to_string(), "--latency-correction"]);
        }
        if let Some(streams) = pace.streams {
            command.args(["--http2", "-p", &streams.to_string()]);
        }
        for (name, value) in request::fields(load) {
            command.arg("-H").arg(format!("{name}: {value}"));
        }
        command.arg(format!("{url}{}", load.path)).env_remove("RUST_BACKTRACE");
        let output = command.output().context("cannot run oha")?;
        let wrong = || format!("oha says {}", String::from_utf8_lossy(&output.stderr));
        let report: Report = serde_json::from_slice(&output.stdout).with_context(wrong)?;
        Ok(report.answers())
    }
}

impl Report {
    fn answers(mut self) -> Answers {
        // Requests that were on their way when the time was up say nothing about the server.
        self.error_distribution.remove(CUT);
        let responses: u64 = self.status_code_distribution.values().sum();
        let mut sample = Sample::from([
            (Metric::Rate, responses as f64 / self.summary.total),
            (Metric::Longest, self.summary.slowest * 1e3),
        ]);
        for (name, metric) in [("p50", Metric::P50), ("p99", Metric::P99), ("p99.9", Metric::P999)] {
            let seconds = self.latency_percentiles.get(name).copied().flatten();
            sample.extend(seconds.map(|seconds| (metric, seconds * 1e3)));
        }
        Answers { sample, statuses: self.status_code_distribution, errors: self.error_distribution }
    }
}

impl Answers {
    /// How many have that status.
    pub fn with_status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// How many came.
    pub fn count(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// How many requests got none.
    pub fn missing(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Fails if not all are 200.
    pub fn all_good(self) -> Result<Self> {
        let (statuses, errors) = (&self.statuses, &self.errors);
        let is_good = self.with_status(200) == self.count() && errors.is_empty();
        ensure!(is_good && self.count() > 0, "responses by status: {statuses:?}, errors: {errors:?}");
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let text = r#"{"summary": {"total": 2.0, "slowest": 0.5}, "latencyPercentiles": {"p50": 0.001, "p99": null},
            "statusCodeDistribution": {"200": 9, "503": 1}, "errorDistribution": {"aborted due to deadline": 3}}"#;
        let answers = serde_json::from_str::<Report>(text).unwrap().answers();
        let expected = [(Metric::Rate, 5.0), (Metric::P50, 1.0), (Metric::Longest, 500.0)];
        assert_eq!(answers.sample, expected.into());
        assert_eq!((answers.count(), answers.with_status(503), answers.missing()), (10, 1, 0));
        assert!(answers.all_good().is_err());
    }
}
