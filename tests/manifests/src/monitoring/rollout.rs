//! A rollout of three servers under load, for a picture of the dashboard.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use test_support::{Connection, Prometheus, Scraped};

use super::expressions::{Panel, panels};
use super::picture::{Chart, Line, draw};

/// Where to write the picture.
pub const FILE: &str = "HTTPSERVER_DASHBOARD_SVG";

/// The panels of the picture.
const SHOWN: [&str; 6] =
    ["Requests by route", "Errors by type", "Duration", "Requests by version", "Pods by version", "CPU"];

/// The whole run, seconds, and when each pod gets the new version.
const LENGTH: f64 = 100.0;
const NEW_VERSION: [f64; 3] = [40.0, 50.0, 60.0];

/// For rates: ten scrapes. The kernel counts CPU time in steps of 10 ms, which shows in shorter ones.
const INTERVAL: &str = "10s";

/// What each client sends, one after the other: quick ones, slow ones and errors.
const PATHS: [&str; 8] = ["/", "/healthz", "/hello?user=x", "/", "/delay/0.05", "/", "/status/500", "/headers"];

/// Clients of each pod, and how long each waits between two requests: at most 300 requests a second together, which takes few
/// percent of a core.
const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(20);

type Pods = [Mutex<Scraped>; 3];

/// Runs, and writes the picture.
pub fn picture() -> Result<()> {
    let file = env::var(FILE)?;
    let folder = tempfile::tempdir()?;
    let targets = folder.path().join("targets.json");
    let pods: Pods = ["v1"; 3].map(|version| Mutex::new(Scraped::start(version)));
    announce(&pods, ["v1"; 3], &targets)?;
    let prometheus = Prometheus::start(&format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: httpserver\n  \
         file_sd_configs: [{{files: ['{}'], refresh_interval: 1s}}]\n",
        targets.display()
    ));
    let done = AtomicBool::new(false);
    let (start, began) = (Instant::now(), now()?);
    thread::scope(|scope| {
        for pod in &pods {
            for _ in 0..CLIENTS {
                scope.spawn(|| client(pod, &done));
            }
        }
        let outcome = events(&pods, &targets, start);
        done.store(true, Ordering::Relaxed);
        outcome
    })?;
    let charts = SHOWN.iter().map(|title| chart(&prometheus, title, began)).collect::<Result<Vec<_>>>()?;
    fs::write(file, draw(&charts, LENGTH, 1.5)?)?;
    Ok(())
}

/// What happens to the pods, each at its time.
fn events(pods: &Pods, targets: &Path, start: Instant) -> Result<()> {
    let at = |seconds: f64| thread::sleep(Duration::from_secs_f64(seconds).saturating_sub(start.elapsed()));
    let mut versions = ["v1"; 3];
    for (number, time) in NEW_VERSION.into_iter().enumerate() {
        at(time);
        versions[number] = "v2";
        // The old server ends when its handle is dropped, which is when the new one serves.
        *pods[number].lock().unwrap_or_else(PoisonError::into_inner) = Scraped::start("v2");
        announce(pods, versions, targets)?;
    }
    at(LENGTH);
    Ok(())
}

/// Tells Prometheus where the pods are, with the labels that it has of pods.
fn announce(pods: &Pods, versions: [&str; 3], file: &Path) -> Result<()> {
    let group = |(number, (pod, version)): (usize, (&Mutex<Scraped>, &str))| {
        let targets = pod.lock().unwrap_or_else(PoisonError::into_inner).endpoints().map(|address| address.to_string());
        let labels = json!({
            "namespace": "httpserver",
            "pod": format!("httpserver-{}", number + 1),
            "app_kubernetes_io_version": version,
        });
        json!({"targets": targets, "labels": labels})
    };
    let groups: Vec<_> = pods.iter().zip(versions).enumerate().map(group).collect();
    Ok(fs::write(file, serde_json::to_string(&groups)?)?)
}

fn client(pod: &Mutex<Scraped>, done: &AtomicBool) {
    for path in PATHS.iter().cycle() {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let [address, _] = pod.lock().unwrap_or_else(PoisonError::into_inner).endpoints();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        // The end of an old server may cut a request.
        if let Ok(mut connection) = Connection::try_open(address)
            && connection.socket().write_all(request.as_bytes()).is_ok()
        {
            connection.try_response().ok();
        }
        thread::sleep(PAUSE);
    }
}

/// A panel of the dashboard, with what Prometheus has of its expressions.
fn chart(prometheus: &Prometheus, title: &str, began: f64) -> Result<Chart> {
    let panel =
        panels()?.into_iter().find(|panel| panel.title == title).with_context(|| format!("no panel {title}"))?;
    let Panel { title, unit, targets, .. } = panel;
    let mut lines = Vec::new();
    for (expression, legend) in targets {
        let expression = expression.replace("$namespace", "httpserver").replace("$__rate_interval", INTERVAL);
        let (start, end) = (began.to_string(), (began + LENGTH).to_string());
        let range = [("query", expression.as_str()), ("start", &start), ("end", &end), ("step", "1")];
        for series in prometheus.get("query_range", &range)?["result"].as_array().into_iter().flatten() {
            lines.push(Line { name: named(&legend, &series["metric"]), points: points(&series["values"], began) });
        }
    }
    Ok(Chart { title, unit, lines })
}

/// The legend with the values of the labels that it names.
fn named(legend: &str, labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    labels.fold(legend.to_owned(), |name, (label, value)| {
        name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default())
    })
}

fn points(values: &Value, began: f64) -> Vec<(f64, f64)> {
    let point = |value: &Value| Some((value[0].as_f64()? - began, value[1].as_str()?.parse().ok()?));
    values
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(point)
        .filter(|(_, value): &(f64, f64)| value.is_finite())
        .collect()
}

/// Seconds since 1970.
fn now() -> Result<f64> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64())
}
