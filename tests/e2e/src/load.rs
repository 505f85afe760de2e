//! A constant load through the Ingress, with kept-alive connections, new connections and long requests. Every request is counted.
//! Each status but 200, and each error of a connection, is a failure.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use test_support::wait::{Patience, poll};
use tokio::net::TcpStream;

use crate::testbed::{HOSTNAME, Testbed};

/// How many clients send requests over one connection each, as long as the server lets them. All clients together are what two
/// cores bear that also run three nodes.
const KEEP_ALIVE: usize = 4;

/// How many clients make a new connection for each request.
const NEW_CONNECTIONS: usize = 2;

/// How many clients send long requests.
const LONG_REQUESTS: usize = 2;

/// A long request, of two seconds: shorter than any grace period, longer than any of the waits in between.
const DELAY: &str = "/delay/2";

/// The longest time for a response: longer only if something is broken.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The least number of requests under a load.
const REQUESTS: u64 = 5_000;

/// The same with `--long`, for a number that can be published.
const REQUESTS_LONG: u64 = 100_000;

/// Proof of a load of which no request failed, and what the test measured under it.
#[must_use]
#[derive(Debug)]
pub struct NoFailures {
    requests: u64,
    report: String,
}

/// The loads of this run of which no request may fail.
#[derive(Default)]
pub struct Loads(Mutex<Sum>);

#[derive(Default)]
struct Sum {
    started: u64,
    finished: u64,
    requests: u64,
}

/// The results of the requests under a load.
#[derive(Default)]
pub struct Counts {
    /// How many got a response with status 200.
    pub good: AtomicU64,
    failed: Mutex<BTreeMap<String, u64>>,
    /// When the first request failed, and the last.
    failing: Mutex<Option<(Instant, Instant)>>,
    versions: Mutex<BTreeMap<String, Seen>>,
}

/// The responses of one version.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// How many there were.
    pub count: u64,
    /// When the first one came.
    pub first: Instant,
    /// When the last one came.
    pub last: Instant,
}

/// Puts load on all nodes while `act` runs, and until there were enough requests.
pub fn during<T>(testbed: &Testbed, act: impl FnOnce(&Counts) -> Result<T>) -> Result<(T, Arc<Counts>)> {
    let nodes: Vec<_> = testbed.cluster.nodes().iter().map(|node| node.number).collect();
    during_on(testbed, &nodes, act)
}

/// Puts load on some of the nodes while `act` runs, and until there were enough requests.
pub fn during_on<T>(
    testbed: &Testbed,
    nodes: &[u8],
    act: impl FnOnce(&Counts) -> Result<T>,
) -> Result<(T, Arc<Counts>)> {
    let (counts, done) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let nodes: Vec<_> = nodes.iter().map(|number| SocketAddr::from((testbed.node(*number).ip, 80))).collect();
    let enough = enough(testbed);
    let client = {
        let (counts, done) = (Arc::clone(&counts), Arc::clone(&done));
        thread::spawn(move || run(&nodes, &counts, &done))
    };
    let outcome = act(&counts);
    if outcome.is_ok() {
        poll(Patience::LOAD, || (counts.good.load(Ordering::Relaxed) >= enough).then_some(()));
    }
    done.store(true, Ordering::Relaxed);
    client.join().expect("the client does not panic")?;
    Ok((outcome?, counts))
}

/// The least number of requests under a load of this run.
pub fn enough(testbed: &Testbed) -> u64 {
    if testbed.long { REQUESTS_LONG } else { REQUESTS }
}

impl NoFailures {
    /// Adds what the test measured to the number of requests.
    pub fn and(mut self, measured: impl Display) -> Self {
        self.report = format!("{}, {measured}", self.report);
        self
    }
}

impl Loads {
    /// Runs a test under load, and adds its requests to the total.
    pub fn run(&self, test: impl FnOnce() -> Result<NoFailures>) -> Result<String> {
        self.sum().started += 1;
        let NoFailures { requests, report } = test()?;
        let mut sum = self.sum();
        sum.finished += 1;
        sum.requests += requests;
        Ok(report)
    }

    /// The requests of all loads together, of which each must have `enough`; an error if a load failed.
    pub fn total(&self, enough: u64) -> Result<String> {
        let Sum { started, finished, requests } = *self.sum();
        ensure!(finished == started, "{} of {started} loads failed", started - finished);
        ensure!(requests >= started * enough, "{requests} requests, expected {started} times {enough}");
        Ok(format!("{requests} requests under {started} loads, 0 failed"))
    }

    fn sum(&self) -> MutexGuard<'_, Sum> {
        self.0.lock().expect("no thread panics while it has the lock")
    }
}

impl Counts {
    /// The number of requests; an error if one failed, or if there were too few.
    pub fn none_failed(&self, testbed: &Testbed) -> Result<NoFailures> {
        let (good, failed) =
            (self.good.load(Ordering::Relaxed), self.failed.lock().expect("no thread panics while it has the lock"));
        ensure!(failed.is_empty(), "{good} requests good, failed: {failed:?}");
        ensure!(good >= enough(testbed), "{good} requests, expected {}: it takes too long", enough(testbed));
        Ok(NoFailures { requests: good, report: format!("{good} requests, 0 failed") })
    }

    /// How many requests failed.
    pub fn failed(&self) -> u64 {
        self.failed.lock().expect("no thread panics while it has the lock").values().sum()
    }

    /// The time from the first failure to the last.
    pub fn failing_for(&self) -> Duration {
        let failing = *self.failing.lock().expect("no thread panics while it has the lock");
        failing.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// The versions that responded, in alphabetical order.
    pub fn versions(&self) -> BTreeMap<String, Seen> {
        self.versions.lock().expect("no thread panics while it has the lock").clone()
    }

    fn count(&self, response: Result<String>) {
        match response {
            Ok(version) => {
                self.good.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                let mut versions = self.versions.lock().expect("no thread panics while it has the lock");
                let seen = versions.entry(version).or_insert(Seen { count: 0, first: now, last: now });
                (seen.count, seen.last) = (seen.count + 1, now);
            }
            Err(error) => {
                let now = Instant::now();
                self.failing.lock().expect("no thread panics while it has the lock").get_or_insert((now, now)).1 = now;
                *self
                    .failed
                    .lock()
                    .expect("no thread panics while it has the lock")
                    .entry(format!("{error:#}"))
                    .or_default() += 1;
            }
        }
    }
}

fn run(nodes: &[SocketAddr], counts: &Arc<Counts>, done: &Arc<AtomicBool>) -> Result<()> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(async {
        let local = tokio::task::LocalSet::new();
        let kinds = [(KEEP_ALIVE, "/", true), (NEW_CONNECTIONS, "/healthz", false), (LONG_REQUESTS, DELAY, true)];
        for (count, path, kept) in kinds {
            for number in 0..count {
                let (counts, done, node) = (Arc::clone(counts), Arc::clone(done), nodes[number % nodes.len()]);
                local.spawn_local(async move { ask_on(node, path, kept, &counts, &done).await });
            }
        }
        local.await;
    });
    Ok(())
}

/// Sends one request after the other. The end of a connection is no error only between two requests, and only if the server
/// announced it.
async fn ask_on(node: SocketAddr, path: &str, kept: bool, counts: &Counts, done: &AtomicBool) {
    let mut connection = None;
    while !done.load(Ordering::Relaxed) {
        let response = tokio::time::timeout(TIMEOUT, ask(node, path, &mut connection)).await;
        let response = response.unwrap_or_else(|_| Err(anyhow!("no response within {TIMEOUT:?}")));
        if response.is_err() {
            connection = None;
            // No tight loop against a broken server.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if !kept {
            connection = None;
        }
        counts.count(response);
    }
}

async fn ask(node: SocketAddr, path: &str, connection: &mut Option<SendRequest<Empty<Bytes>>>) -> Result<String> {
    let mut sender = match connection.take() {
        Some(sender) => sender,
        None => {
            let stream = TcpStream::connect(node).await.context("cannot connect")?;
            stream.set_nodelay(true)?;
            let (sender, driver) = handshake(TokioIo::new(stream)).await?;
            tokio::task::spawn_local(driver);
            sender
        }
    };
    let request = Request::get(path).header("host", HOSTNAME).body(Empty::new())?;
    let (head, body) = sender.send_request(request).await.context("no response")?.into_parts();
    body.collect().await.context("half a response")?;
    ensure!(head.status == 200, "status {}", head.status.as_u16());
    if head.headers.get("connection").is_none_or(|value| value != "close") {
        *connection = Some(sender);
    }
    let version = head.headers.get("version").context("no version")?;
    Ok(version.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn load(requests: u64) -> Result<NoFailures> {
        Ok(NoFailures { requests, report: "measured".to_owned() })
    }

    #[test]
    fn the_total_has_the_loads_that_ran() {
        let loads = Loads::default();
        assert_eq!(loads.run(|| load(5)).unwrap(), "measured");
        assert_eq!(loads.run(|| load(7)).unwrap(), "measured");
        assert_eq!(loads.total(5).unwrap(), "12 requests under 2 loads, 0 failed");
    }

    #[test]
    fn there_is_no_total_if_a_load_failed_or_was_too_small() {
        let loads = Loads::default();
        loads.run(|| load(5)).unwrap();
        assert_eq!(loads.total(6).unwrap_err().to_string(), "5 requests, expected 1 times 6");
        loads.run(|| bail!("a request failed")).unwrap_err();
        assert_eq!(loads.total(5).unwrap_err().to_string(), "1 of 2 loads failed");
    }
}
