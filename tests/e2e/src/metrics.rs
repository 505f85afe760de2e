//! What Prometheus sees of the pods.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use test_support::{Connection, Prometheus};

use crate::process::{self, PodProcess};
use crate::testbed::{Testbed, find, text, until};

/// Both endpoints of three pods.
const TARGETS: f64 = 6.0;

/// The requests of the load, one series for each pod: HEAD, because probes and all other loads are GET.
const LOAD: &str = concat!(
    r#"namespace="httpserver",http_request_method="HEAD",http_response_status_code="200","#,
    r#"http_route="/...",network_protocol_version="1.1""#
);

/// Which requests each connection sends: `/delay` with so many seconds, so many times. Their quantiles are far from each other.
const DELAYS: [(f64, usize); 3] = [(0.02, 12), (0.2, 6), (0.6, 2)];

/// How many connections send them to each pod.
const CONNECTIONS: usize = 2;

/// One in the middle of each delay's share.
const QUANTILES: [f64; 3] = [0.3, 0.75, 0.95];

/// The upper bounds of the buckets, seconds: those of OpenTelemetry's semantic conventions.
const BUCKETS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Prometheus finds the pods with the configuration of docs/observability.md, measures what the clients measure, and takes the end
/// of a process for what it is.
pub fn scraped(testbed: &Testbed) -> Result<String> {
    let start = Instant::now();
    let prometheus = Prometheus::start(&configuration(testbed)?);
    until("all endpoints are up", || Ok(prometheus.number(r#"sum(up{namespace="httpserver"})"#)? == Some(TARGETS)))?;
    let up = start.elapsed();
    let pods = testbed.ready_pods()?;
    let measured = quantiles(&prometheus, &pods)?;
    let counted = killed(testbed, &prometheus, &pods[0])?;
    Ok(format!("{TARGETS} endpoints up after {:.1} s; {measured}; {counted}", up.as_secs_f64()))
}

/// The page's configuration, for a Prometheus that is not in the cluster and has no time.
fn configuration(testbed: &Testbed) -> Result<String> {
    let page = fs::read_to_string("docs/observability.md")?;
    let (_, rest) = page.split_once("```yaml\n").context("the page has a configuration")?;
    let (jobs, _) = rest.split_once("```").context("it ends")?;
    let role = "{role: pod";
    ensure!(jobs.matches(role).count() == 2, "not two jobs that look for pods in {jobs}");
    let client = format!("{role}, kubeconfig_file: '{}'", testbed.cluster.kubeconfig().display());
    Ok(format!("global: {{scrape_interval: 1s}}\n{}", jobs.replace(role, &client)))
}

/// Sends a known load, and compares what both sides measured.
fn quantiles(prometheus: &Prometheus, pods: &[Value]) -> Result<String> {
    let addresses = pods.iter().map(address).collect::<Result<Vec<_>>>()?;
    let count = format!("sum(http_server_request_duration_seconds_count{{{LOAD}}})");
    let counted = |wanted: f64| until("the load is counted", || Ok(prometheus.number(&count)? == Some(wanted)));
    // A series begins with its first request, which no rate has.
    let before = prometheus.number(&count)?.unwrap_or_default() + addresses.len() as f64;
    for address in &addresses {
        head(&mut Connection::try_open(*address)?, 0.0)?;
    }
    counted(before)?;
    let mut durations = load(&addresses)?;
    let sent = durations.len() as f64;
    counted(before + sent)?;
    durations.sort_by(f64::total_cmp);
    let mut report = Vec::new();
    for quantile in QUANTILES {
        let here = durations[(quantile * sent) as usize];
        let native = format!("sum(rate(http_server_request_duration_seconds{{{LOAD}}}[2m]))");
        let classic = format!("sum by (le) (rate(http_server_request_duration_seconds_bucket{{{LOAD}}}[2m]))");
        let ask = |histogram: &str| {
            let value = prometheus.number(&format!("histogram_quantile({quantile}, {histogram})"))?;
            value.with_context(|| format!("no {histogram}"))
        };
        let (native, classic) = (ask(&native)?, ask(&classic)?);
        for there in [native, classic] {
            let near = bucket(here).abs_diff(bucket(there)) <= 1;
            ensure!(near, "{quantile}: {here} s by the clients, {there} s by Prometheus: more than a bucket apart");
        }
        let percent = quantile * 100.0;
        report.push(format!("{percent} %: {here:.3} s by the clients, {classic:.3} s, native {native:.3} s"));
    }
    Ok(report.join(", "))
}

/// The number of the bucket in which a duration is.
fn bucket(seconds: f64) -> usize {
    BUCKETS.iter().take_while(|bound| **bound < seconds).count()
}

/// Sends the load, and returns the seconds of each request.
fn load(addresses: &[SocketAddr]) -> Result<Vec<f64>> {
    thread::scope(|scope| {
        let clients = addresses.iter().flat_map(|address| [*address; CONNECTIONS]);
        let clients: Vec<_> = clients.map(|address| scope.spawn(move || client(address))).collect();
        let durations = clients.into_iter().map(|client| client.join().expect("a client does not panic"));
        Ok(durations.collect::<Result<Vec<_>>>()?.concat())
    })
}

fn client(address: SocketAddr) -> Result<Vec<f64>> {
    let mut connection = Connection::try_open(address)?;
    let delays = DELAYS.iter().flat_map(|(delay, count)| vec![*delay; *count]);
    delays
        .map(|delay| {
            let start = Instant::now();
            head(&mut connection, delay)?;
            Ok(start.elapsed().as_secs_f64())
        })
        .collect()
}

fn head(connection: &mut Connection, delay: f64) -> Result<()> {
    let response = connection.send(format!("HEAD /delay/{delay} HTTP/1.1\r\nHost: test\r\n\r\n")).head();
    ensure!(response.status == 200, "{response:?}");
    Ok(())
}

/// A SIGKILL of the process: its counters begin again at 0, and the sum over both lives is what `increase` has.
fn killed(testbed: &Testbed, prometheus: &Prometheus, pod: &Value) -> Result<String> {
    /// Requests of the second life.
    const MORE: usize = 5;
    let name = text(pod, "/metadata/name")?;
    let of_pod = format!("http_server_request_duration_seconds_count{{{LOAD},pod={name:?}}}");
    let first: usize = DELAYS.iter().map(|(_, count)| count * CONNECTIONS).sum();
    let status = || Ok::<_, anyhow::Error>(testbed.get(&["pod", name])?["status"]["containerStatuses"][0].clone());
    // The pod may have been restarted before, by another test.
    let restarts = status()?["restartCount"].as_u64();
    process::send(&PodProcess::for_application(pod)?.process, Signal::KILL)?;
    let start = Instant::now();
    until("the container was restarted", || {
        let status = status()?;
        Ok(status["restartCount"].as_u64() > restarts && status["ready"] == true)
    })?;
    let back = start.elapsed();
    let mut connection = find("the new process listens", || Ok(Some(Connection::try_open(address(pod)?)?)))?;
    (0..MORE).try_for_each(|_| head(&mut connection, 0.0))?;
    until("the new process is scraped", || Ok(prometheus.number(&of_pod)? == Some(MORE as f64)))?;
    let resets = prometheus.number(&format!("resets({of_pod}[2m])"))?;
    ensure!(resets == Some(1.0), "{resets:?} resets, expected one");
    // Prometheus extrapolates to the whole window, so it is not less than what was counted between two scrapes.
    let increase = prometheus.number(&format!("increase({of_pod}[2m])"))?.context("an increase")?;
    ensure!(increase >= (first + MORE) as f64, "an increase of {increase}, expected {first} and {MORE}");
    let lowest = prometheus.number(&format!("min_over_time(rate({of_pod}[5s])[2m:1s])"))?.context("a rate")?;
    ensure!(lowest >= 0.0, "a rate of {lowest}");
    Ok(format!(
        "after a SIGKILL up again after {:.1} s, one reset, an increase of {increase:.1} by {first} and {MORE} requests",
        back.as_secs_f64()
    ))
}

fn address(pod: &Value) -> Result<SocketAddr> {
    Ok(SocketAddr::new(text(pod, "/status/podIP")?.parse()?, 8080))
}
