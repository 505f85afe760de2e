//! A constant load by Ingress: kept-alive and new connections, and long requests among them. Every request is counted, and
//! whatever is not 200 is a failure, connection errors as well.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use test_support::wait::{Patience, poll};
use tokio::net::TcpStream;

use crate::testbed::{HOSTNAME, Testbed};

/// At one time, by kind. What the rest of the machine needs to run three nodes sets the limit, two cores with everything.
const KEEP_ALIVE: usize = 4;
const NEW: usize = 2;
const LONG: usize = 2;

/// How long a long request is, in seconds: less than any grace period, more than any of the waits in between.
const DELAY: &str = "/delay/2";

/// No answer takes longer, unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// At least as many requests while something is disturbed; with `--long` what is published.
const REQUESTS: u64 = 5_000;
const REQUESTS_LONG: u64 = 100_000;

/// How many loads there are in which no request may fail: two rollouts, eight disturbances, one autoscaler.
const UNFAILING: u64 = 11;

/// What became of the requests.
#[derive(Default)]
pub struct Counts {
    pub good: AtomicU64,
    failed: Mutex<BTreeMap<String, u64>>,
    /// When the first request failed, and the last.
    failing: Mutex<Option<(Instant, Instant)>>,
    versions: Mutex<BTreeMap<String, Seen>>,
}

/// The answers of one version.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub count: u64,
    pub first: Instant,
    pub last: Instant,
}

/// Puts load on all nodes while `disturb` runs, and until there were enough requests.
pub fn during<T>(testbed: &Testbed, disturb: impl FnOnce(&Counts) -> Result<T>) -> Result<(T, Arc<Counts>)> {
    let nodes: Vec<_> = testbed.cluster.nodes().iter().map(|node| node.number).collect();
    during_on(testbed, &nodes, disturb)
}

/// The same on some of the nodes.
pub fn during_on<T>(
    testbed: &Testbed,
    nodes: &[u8],
    disturb: impl FnOnce(&Counts) -> Result<T>,
) -> Result<(T, Arc<Counts>)> {
    let (counts, done) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let nodes: Vec<_> = nodes.iter().map(|number| SocketAddr::from((testbed.node(*number).ip, 80))).collect();
    let enough = enough(testbed);
    let client = {
        let (counts, done) = (Arc::clone(&counts), Arc::clone(&done));
        thread::spawn(move || run(&nodes, &counts, &done))
    };
    let disturbed = disturb(&counts);
    if disturbed.is_ok() {
        poll(Patience::LOAD, || (counts.good.load(Ordering::Relaxed) >= enough).then_some(()));
    }
    done.store(true, Ordering::Relaxed);
    client.join().expect("the client does not panic")?;
    Ok((disturbed?, counts))
}

/// How many requests one load has at least.
fn enough(testbed: &Testbed) -> u64 {
    if testbed.long { REQUESTS_LONG } else { REQUESTS }
}

/// All loads together in which no request may fail.
pub fn total(testbed: &Testbed) -> Result<String> {
    let (made, expected) = (testbed.unfailing.load(Ordering::Relaxed), UNFAILING * enough(testbed));
    ensure!(made >= expected, "{made} requests, expected {expected}: a load failed or was left out");
    Ok(format!("{made} requests, 0 failed"))
}

impl Counts {
    /// An error if a request failed, or if there were too few; else how many there were.
    pub fn none_failed(&self, testbed: &Testbed) -> Result<String> {
        let (good, failed) = (self.good.load(Ordering::Relaxed), self.failed.lock().expect("nobody panics with it"));
        ensure!(failed.is_empty(), "{good} requests good, failed: {failed:?}");
        ensure!(good >= enough(testbed), "{good} requests, expected {}: it takes too long", enough(testbed));
        testbed.unfailing.fetch_add(good, Ordering::Relaxed);
        Ok(format!("{good} requests, 0 failed"))
    }

    /// How many requests failed.
    pub fn failed(&self) -> u64 {
        self.failed.lock().expect("nobody panics with it").values().sum()
    }

    /// How long it took from the first failure to the last.
    pub fn failing_for(&self) -> Duration {
        let failing = *self.failing.lock().expect("nobody panics with it");
        failing.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// The versions that were seen, in order.
    pub fn versions(&self) -> BTreeMap<String, Seen> {
        self.versions.lock().expect("nobody panics with it").clone()
    }

    fn count(&self, answer: Result<String>) {
        match answer {
            Ok(version) => {
                self.good.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                let mut versions = self.versions.lock().expect("nobody panics with it");
                let seen = versions.entry(version).or_insert(Seen { count: 0, first: now, last: now });
                (seen.count, seen.last) = (seen.count + 1, now);
            }
            Err(error) => {
                let now = Instant::now();
                self.failing.lock().expect("nobody panics with it").get_or_insert((now, now)).1 = now;
                *self.failed.lock().expect("nobody panics with it").entry(format!("{error:#}")).or_default() += 1;
            }
        }
    }
}

fn run(nodes: &[SocketAddr], counts: &Arc<Counts>, done: &Arc<AtomicBool>) -> Result<()> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(async {
        let local = tokio::task::LocalSet::new();
        let kinds = [(KEEP_ALIVE, "/", true), (NEW, "/healthz", false), (LONG, DELAY, true)];
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

/// Asks again and again. Only between two requests, and only if the server said so, is a connection given up without an error.
async fn ask_on(node: SocketAddr, path: &str, kept: bool, counts: &Counts, done: &AtomicBool) {
    let mut connection = None;
    while !done.load(Ordering::Relaxed) {
        let answer = tokio::time::timeout(PATIENCE, ask(node, path, &mut connection)).await;
        let answer = answer.unwrap_or_else(|_| bail_late());
        if answer.is_err() {
            connection = None;
            // A broken server is not to be asked in a tight loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if !kept {
            connection = None;
        }
        counts.count(answer);
    }
}

fn bail_late() -> Result<String> {
    bail!("no answer within {PATIENCE:?}")
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
    let (head, body) = sender.send_request(request).await.context("no answer")?.into_parts();
    body.collect().await.context("half an answer")?;
    ensure!(head.status == 200, "status {}", head.status.as_u16());
    if head.headers.get("connection").is_none_or(|value| value != "close") {
        *connection = Some(sender);
    }
    let version = head.headers.get("version").context("no version")?;
    Ok(version.to_str()?.to_owned())
}
