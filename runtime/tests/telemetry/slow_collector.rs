//! Collectors that stand still, are gone, or come late: no request waits for them.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Collector, Connection, Server, Signal, eventually};

use super::{app, http, span_of};

/// Sends that many requests over two connections; each has to succeed.
fn load(server: &Server, requests: usize) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut connection = server.connect();
                for _ in 0..requests / 2 {
                    assert_eq!(connection.get("/healthz").status, 200);
                }
            });
        }
    });
}

#[test]
fn a_collector_that_stands_still_costs_no_request_and_little_memory_and_the_end_is_in_time() {
    const REQUESTS: usize = 20_000;
    let collector = Collector::start();
    let mut server = app(&http(&collector)).env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000").start();
    load(&server, 100);
    eventually("spans are there", || (collector.spans().len() == 100).then_some(()));
    let before = server.memory().resident;
    collector.pause(true);
    load(&server, REQUESTS);
    let grown = server.memory().peak.saturating_sub(before);
    // 2048 spans wait and 512 are being sent, of 1 KiB each, twice and once more as bytes.
    assert!(grown < 16 << 20, "{grown} bytes more");
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    // 5 s for telemetry.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    server.stderr.line_with("cannot send");
    assert!(dropped(&server) > REQUESTS / 2, "{}", server.stderr);
    collector.pause(false);
}

/// How many spans were dropped, by the log.
fn dropped(server: &Server) -> usize {
    let lines = server.stderr.lines().into_iter();
    let counts =
        lines.filter_map(|line| line.split_once(" spans were dropped")?.0.rsplit(' ').next()?.parse::<usize>().ok());
    counts.sum()
}

#[test]
fn a_collector_that_is_gone_costs_no_request_and_does_not_hold_up_the_end() {
    let mut collector = Collector::start();
    let mut server = app(&http(&collector)).start();
    load(&server, 100);
    collector.end();
    load(&server, 1000);
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let line = server.stderr.line_with("cannot send");
    assert!(line.contains("cannot connect to 127.0.0.1:"), "{line}");
}

#[test]
fn a_collector_that_comes_late_gets_what_waited() {
    // Nobody listens there until the listener is a collector's.
    let late = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = late.local_addr().expect("it is bound").to_string();
    drop(late);
    let server = app(&format!("http://{address}")).start();
    server.get("/early");
    let collector = Collector::start_at(&address);
    span_of(&collector, "/early");
}

#[test]
fn a_second_signal_ends_a_server_that_waits_for_its_collector() {
    let collector = Collector::start();
    let mut server = app(&http(&collector)).start();
    collector.pause(true);
    server.get("/");
    server.signal(Signal::TERM);
    server.stderr.line_with("draining");
    eventually("it takes no more connections", || Connection::try_open(server.address()).is_err().then_some(()));
    server.signal(Signal::TERM);
    let start = Instant::now();
    assert_eq!(server.wait().code(), Some(128 + 15));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    collector.pause(false);
}
