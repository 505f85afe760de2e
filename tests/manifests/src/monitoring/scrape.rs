//! A real server, whose two endpoints a real Prometheus scrapes.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use test_support::wait::{Patience, find_despite_errors};
use test_support::{Connection, Prometheus, Scraped};

use super::expressions::{Selected, of_alerts, of_dashboard, selected};
use super::{promtool, rule_file};

/// The labels that PodMonitor gives each series, and the scrape configuration in docs/observability.md, too.
const LABELS: &str = "{namespace: httpserver, pod: httpserver-1, app_kubernetes_io_version: v1}";

/// For rates: a few of the scrapes, which come each half second.
const INTERVAL: &str = "3s";

/// Requests of each kind that makes a series of its own.
fn ask(scraped: &Scraped) {
    for path in ["/", "/healthz", "/status/500"] {
        scraped.server.get(path);
    }
}

/// `promtool check metrics` finds nothing in what the endpoints serve.
pub fn clean() -> Result<()> {
    let scraped = Scraped::start("v1");
    ask(&scraped);
    for endpoint in scraped.endpoints() {
        let response = Connection::open(endpoint).get("/metrics");
        ensure!(response.status == 200, "{endpoint}: {response:?}");
        promtool(&["check", "metrics", "--lint=all"], None, response.text())?;
    }
    Ok(())
}

/// Each series that an expression selects is there, with the labels by which it is grouped; and each query of the dashboard has
/// a result.
pub fn series() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, rule_file()?)?;
    let scraped = Scraped::start("v1");
    let targets = scraped.endpoints().map(|endpoint| format!("'{endpoint}'")).join(", ");
    let prometheus = Prometheus::start(&format!(
        "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\nrule_files: ['{}']\nscrape_configs:\n\
         - job_name: httpserver\n  scrape_native_histograms: true\n  always_scrape_classic_histograms: true\n  \
         static_configs: [{{targets: [{targets}], labels: {LABELS}}}]\n",
        rules.display()
    ));
    let dashboard = of_dashboard("httpserver", INTERVAL)?;
    ensure!(dashboard.len() > 15, "only {} expressions were found in the dashboard", dashboard.len());
    for expression in &dashboard {
        find_despite_errors(&format!("a result of {expression}"), Patience::PROCESS, || {
            ask(&scraped);
            Ok(Some(prometheus.query(expression)?).filter(|series| !series.is_empty()))
        })?;
    }
    let alerts = of_alerts()?;
    let mut found = Vec::new();
    for expression in dashboard.iter().chain(&alerts) {
        let tree = prometheus.get("parse_query", &[("query", expression)])?;
        selected(&tree, &BTreeSet::new(), &mut found);
    }
    ensure!(found.len() > 20, "only {} selectors were found", found.len());
    for one in &found {
        is_there(&prometheus, one)?;
    }
    evaluated(&prometheus, alerts.len())
}

fn is_there(prometheus: &Prometheus, wanted: &Selected) -> Result<()> {
    let series = prometheus.query(&wanted.selector)?;
    ensure!(!series.is_empty(), "the server has no series {}", wanted.selector);
    for label in &wanted.labels {
        let there = series.iter().any(|series| series["metric"].get(label).is_some());
        ensure!(there, "no series {} has the label {label}", wanted.selector);
    }
    Ok(())
}

/// Prometheus has evaluated all alerts, and nothing was wrong with any.
fn evaluated(prometheus: &Prometheus, count: usize) -> Result<()> {
    find_despite_errors("all alerts are evaluated", Patience::PROCESS, || {
        let groups = prometheus.get("rules", &[])?;
        let groups = groups["groups"].as_array().context("groups")?;
        let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
        ensure!(rules.len() == count, "{} alerts, expected {count}", rules.len());
        let sound = rules.iter().all(|rule| rule["health"] == "ok" && rule.get("lastError").is_none());
        ensure!(sound, "{rules:?}");
        Ok(Some(()))
    })
}
