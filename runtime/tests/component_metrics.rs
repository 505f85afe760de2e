//! The metrics of the component, on a real server: exact under load, limited in number, and no danger to a request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use socket2::SockRef;
use test_support::{App, Connection, Response, Server, eventually};

/// Connections with requests one after the other.
const CONNECTIONS: usize = 32;

/// What they send, the row of the router, and the status.
const REQUESTS: [(&str, &str, u16); 8] = [
    ("GET /", "/", 200),
    ("GET /no/such/path?a=b", "/", 200),
    ("FROB /healthz", "/healthz", 405),
    ("GET /healthz", "/healthz", 200),
    ("GET /status/404", "/status/{code}", 404),
    ("GET /status/503", "/status/{code}", 503),
    ("GET /delay/x", "/delay/{seconds}", 400),
    ("GET /version", "/version", 200),
];

/// A request with fields of 60 KB, which an instance with two pages of memory has no room for: it traps.
const TRAP_MEMORY: &str = "--max-instance-memory=131072";

const COUNT: &str = r#"httpserver_execution_latency_seconds_count{step="totals"}"#;

fn counting() -> App {
    App::shipped().args(["--variable=metrics=on", "--variable=log=json:error"])
}

fn series(route: &str, status: u16) -> String {
    format!(r#"httpserver_requests_total{{route="{route}",code="{status}"}}"#)
}

/// All samples of a scrape, by name and labels.
fn samples(response: &Response) -> BTreeMap<String, f64> {
    assert_eq!(response.status, 200, "{}", response.text());
    let lines = response.text().lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

fn scrape(server: &Server) -> BTreeMap<String, f64> {
    samples(&server.get("/metrics"))
}

/// Sends `count` requests on one connection, and returns how often each row and status came.
fn load(server: &Server, count: usize) -> BTreeMap<String, u64> {
    let mut connection = server.connect();
    let mut counted = BTreeMap::new();
    for (request, route, status) in REQUESTS.iter().cycle().take(count) {
        let response = connection.send(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n")).response();
        assert_eq!(response.status, *status, "{request}");
        *counted.entry(series(route, response.status)).or_default() += 1;
    }
    counted
}

/// A request whose instance traps.
fn trap(server: &Server) {
    let fields: String = (0..90).map(|number| format!("X-{number}: {}\r\n", "a".repeat(650))).collect();
    let response = server.ask(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    assert_eq!((response.status, response.body.len()), (500, 0), "{response:?}");
}

/// A client that goes away in the middle of a body.
fn abort(server: &Server) {
    let mut connection = server.connect();
    connection.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nhalf");
    assert_eq!(connection.head().status, 200);
    reset(&connection);
}

/// A client that goes away before its response.
fn give_up(server: &Server) {
    let mut connection = server.connect();
    connection.send("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
    reset(&connection);
}

/// Closes with a reset, so that the server hears of it at once.
fn reset(connection: &Connection) {
    SockRef::from(&connection.socket()).set_linger(Some(Duration::ZERO)).expect("an open socket");
}

/// What goes on beside the load, each as often as the others.
#[derive(Default)]
struct Beside {
    rounds: u64,
    scraped: BTreeMap<String, f64>,
}

impl Beside {
    /// A scrape, in which no number is lower than in the one before; a trap; and two clients that go away.
    fn round(&mut self, server: &Server) {
        let now = scrape(server);
        for (name, value) in &self.scraped {
            assert!(now.get(name) >= Some(value), "{name} was {value}, and is {:?}", now.get(name));
        }
        self.scraped = now;
        trap(server);
        abort(server);
        give_up(server);
        self.rounds += 1;
    }
}

/// Load, and at the same time scrapes, traps and clients that go away. Then every number is what the clients counted.
fn exact(requests: usize) {
    let app = counting().args([TRAP_MEMORY, "--max-head=65536", "--variable=hello_max_delay_ms=20"]);
    let server = &app.start();
    let stop = &AtomicBool::new(false);
    let (counted, rounds) = thread::scope(|scope| {
        let beside = scope.spawn(move || {
            let mut beside = Beside::default();
            while !stop.load(Ordering::Relaxed) {
                beside.round(server);
            }
            beside.rounds
        });
        let client = |_| scope.spawn(move || load(server, requests / CONNECTIONS));
        let clients: Vec<_> = (0..CONNECTIONS).map(client).collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        stop.store(true, Ordering::Relaxed);
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for (name, number) in ended.into_iter().flat_map(|counted| counted.expect("every request got its response")) {
            *counted.entry(name).or_default() += number;
        }
        (counted, beside.join().expect("no number went down, and what goes on beside goes on"))
    });
    assert!(rounds > 0, "it took no time");

    let mut expected = counted;
    expected.insert(series("/echo", 200), rounds);
    let mut scrapes = rounds;
    // A response is counted after it was sent, so the last ones may be late.
    let now = eventually("all responses are counted", || {
        let now = scrape(server);
        // Those clients did not see whether there was a response.
        let greeted = now.get(&series("/hello", 200)).copied().unwrap_or_default();
        let all = expected.values().sum::<u64>() + scrapes;
        scrapes += 1;
        let is_complete = now[COUNT] == all as f64 + greeted && greeted <= rounds as f64;
        is_complete.then_some(now)
    });
    for (name, number) in &expected {
        assert_eq!(now[name], *number as f64, "{name}");
    }
    let others = ["/metrics", "/hello"].map(|route| series(route, 200));
    let unknown = |name: &&String| !expected.contains_key(*name) && !others.contains(name);
    let unknown: Vec<_> =
        now.keys().filter(|name| name.starts_with("httpserver_requests_total")).filter(unknown).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(now["httpserver_metrics_errors_total"], 0.0);
    println!("{} responses, {rounds} rounds of a scrape, a trap and two clients that went away", now[COUNT]);
}

#[test]
fn every_number_is_exact_under_load_with_traps_scrapes_and_clients_that_go_away() {
    exact(16_000);
}

#[test]
#[ignore = "takes minutes"]
fn every_number_is_exact_after_a_million_requests() {
    exact(1_000_000);
}

#[test]
fn no_path_method_or_query_makes_a_new_series() {
    let server = counting().start();
    let mut connection = server.connect();
    let mut send = |request: &str| connection.send(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n")).response();
    let names = |server: &Server| scrape(server).into_keys().collect::<BTreeSet<_>>();
    for request in ["GET /", "FROB /healthz"] {
        send(request);
    }
    scrape(&server);
    let before =
        eventually("the first responses are counted", || Some(names(&server)).filter(|names| names.len() == 23));
    for number in 0..10_000 {
        let response = match number % 4 {
            0 => send(&format!("GET /{number}/{number}")),
            1 => send(&format!("GET /?{number}={number}")),
            2 => send(&format!("M{number} /{number}")),
            _ => send(&format!("M{number} /healthz?{number}")),
        };
        assert_eq!(response.status, if number % 4 == 3 { 405 } else { 200 });
    }
    eventually("all responses are counted", || (scrape(&server)[COUNT] >= 10_000.0).then_some(()));
    assert_eq!(names(&server), before);
}

#[test]
fn a_full_store_fails_no_request() {
    // Room for five numbers: the errors, the sum, and three routes with their first bucket.
    let server = counting().arg("--max-store=820").start();
    scrape(&server);
    for path in ["/", "/healthz", "/readyz", "/version", "/ip", "/headers", "/openapi.json"].repeat(10) {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let mut scrapes = 1.0;
    let now = eventually("each response is counted, or its error is", || {
        let now = scrape(&server);
        let all = now[COUNT] + now["httpserver_metrics_errors_total"];
        let is_complete = all == 70.0 + scrapes;
        scrapes += 1.0;
        is_complete.then_some(now)
    });
    assert!(now[COUNT] > 0.0 && now["httpserver_metrics_errors_total"] >= 40.0, "{now:?}");
    let full = |line: &&String| line.contains("the key-value store is full");
    assert_eq!(server.stderr.lines().iter().filter(full).count(), 1, "one line a minute");
}

#[test]
fn a_server_without_a_store_responds_and_says_what_is_missing() {
    let server = without_store().arg("--variable=metrics=on").start();
    for (request, _, status) in REQUESTS {
        let response = server.ask(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(response.status, status, "{request}");
    }
    let detail = server.get("/metrics").problem(503);
    assert!(detail.contains("access denied: expected key_value_stores"), "{detail}");
    let refused = |line: &&String| line.contains("no access to the key-value store \"default\"");
    assert_eq!(server.stderr.lines().iter().filter(refused).count(), 1, "one line a minute");
}

#[test]
fn with_metrics_off_no_request_calls_the_store() {
    // It would leave a line: the application may not use a store.
    let server = without_store().start();
    for (request, _, status) in REQUESTS {
        let response = server.ask(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(response.status, status, "{request}");
    }
    server.get("/metrics").problem(404);
    // A line of the runtime that comes after them.
    trap_of_the_runtime(&server);
    assert!(server.stderr.lines().iter().all(|line| !line.contains("key-value")), "{}", server.stderr);
}

/// This repository's application, but that its manifest names no store.
fn without_store() -> App {
    let app = App::shipped().args([TRAP_MEMORY, "--max-head=65536"]);
    let manifest = app.folder().join("spin.toml");
    let text = fs::read_to_string(manifest).expect("it was written");
    let mut manifest: toml::Table = text.parse().expect("TOML");
    let components = manifest["component"].as_table_mut().expect("components");
    components["httpserver"].as_table_mut().expect("a component").remove("key_value_stores").expect("it names one");
    app.file("spin.toml", manifest.to_string())
}

/// Waits for a line on stderr, so that those before it are there.
fn trap_of_the_runtime(server: &Server) {
    trap(server);
    server.stderr.line_with("GET / 500");
}
