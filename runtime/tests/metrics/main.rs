//! The host's own metrics, over real sockets: they count each request once, and they are there whatever else happens.

mod scraper;

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use scraper::{OPEN_METRICS, PROTOBUF, Scraper};
use test_support::http2::Http2;
use test_support::{App, Connection, Server, Signal, eventually};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A server of the misbehaving guest that has metrics, and its scraper.
fn start(app: App) -> (Server, Scraper) {
    let server = app.arg("--metrics-listen=127.0.0.1:0").start();
    let scraper = Scraper::of(&server);
    (server, scraper)
}

const COUNT: &str = "http_server_request_duration_seconds_count";

#[test]
fn a_request_is_counted_by_how_it_ended() {
    let (server, scraper) = start(App::guest().arg("--request-timeout=0.5"));
    let mut connection = server.connect();
    for path in ["/ok", "/ok", "/trap", "/exit", "/no-response", "/wait", "/.well-known/spin/health"] {
        connection.get(path);
    }
    server.ask("GET /ok HTTP/1.0\r\nHost: test\r\n\r\n");
    server.ask("BREW /ok HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(server.connect().send("HEAD /large/100 HTTP/1.1\r\nHost: test\r\n\r\n").head().status, 200);
    server.ask("GET /ok HTTP/1.1\r\nHost: a@b\r\n\r\n").problem(400);
    server.ask("nonsense\r\n\r\n");
    server.ask(format!("GET /ok HTTP/1.1\r\nHost: test\r\nBig: {}\r\n\r\n", "x".repeat(20_000)));
    let seen =
        scraper.eventually(|seen| seen.value(COUNT, &[]) == 11.0 && seen.value("httpserver_connections", &[]) == 1.0);

    let get = |labels: &[&str]| seen.value(COUNT, &[&["http_request_method=GET", "url_scheme=http"], labels].concat());
    assert_eq!(get(&["http_route=/...", "network_protocol_version=1.1", "http_response_status_code=200"]), 2.0);
    assert_eq!(get(&["http_route=/...", "network_protocol_version=1.0"]), 1.0);
    assert_eq!(get(&["http_route=/.well-known/spin/...", "http_response_status_code=200"]), 1.0);
    assert_eq!(get(&["http_response_status_code=400"]), 1.0);
    assert_eq!(get(&["http_response_status_code=504", "error_type=timeout"]), 1.0);
    assert_eq!(seen.value(COUNT, &["http_request_method=HEAD", "http_response_status_code=200"]), 1.0);
    assert_eq!(seen.value(COUNT, &["http_request_method=_OTHER"]), 1.0);
    for reason in ["unreachable", "exit", "no_response"] {
        assert_eq!(get(&["http_response_status_code=500", &format!("error_type={reason}")]), 1.0, "{reason}");
        assert_eq!(seen.value("httpserver_traps_total", &[&format!("reason={reason}")]), 1.0, "{reason}");
    }
    for refusal in ["malformed", "not_http", "head_too_large"] {
        assert_eq!(seen.value("httpserver_refusals_total", &[&format!("reason={refusal}")]), 1.0, "{refusal}");
    }
    // No failure and no route where there was none.
    assert!(!seen.lines(COUNT, &["http_response_status_code=400"])[0].contains("error_type"));
    assert!(!seen.lines(COUNT, &["http_response_status_code=400"])[0].contains("http_route"));
    assert_eq!(seen.value("http_server_active_requests", &[]), 0.0);
    assert_eq!(seen.value("httpserver_instances_peak", &[]), 1.0);
    assert!(seen.value("httpserver_instantiation_duration_seconds_count", &[]) >= 9.0);
}

#[tokio::test]
async fn streams_of_http_2_are_counted_as_requests_are() {
    let (server, scraper) = start(App::guest());
    let client = Http2::open(TcpStream::connect(server.address()).await.expect("the server listens")).await;
    for path in ["ok", "ok", "large/100000", "trap"] {
        client.get(&format!("http://test/{path}")).await.expect("a response");
    }
    // A client that resets its stream, before it has a response.
    timeout(Duration::from_millis(300), client.get("http://test/wait")).await.expect_err("no response");
    // Elsewhere, so that the connection can tell the server meanwhile.
    let scrapes = move || scraper.eventually(|seen| seen.value(COUNT, &["network_protocol_version=2"]) == 5.0);
    let seen = spawn_blocking(scrapes).await.expect("no panic");
    assert_eq!(seen.value(COUNT, &["http_response_status_code=200"]), 3.0);
    assert_eq!(seen.value(COUNT, &["error_type=unreachable"]), 1.0);
    let gone = seen.lines(COUNT, &["error_type=client_gone"]);
    assert!(gone.len() == 1 && gone[0].ends_with(" 1") && !gone[0].contains("status_code"), "{gone:?}");
}

#[test]
fn the_counts_are_those_of_the_responses_under_load_with_traps_and_clients_that_go() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 400;
    const GONE: usize = 20;
    let (server, scraper) = start(App::guest());
    let (mut served, mut trapped, mut last, mut scrapes) = (0, 0, 0.0, 0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = server.connect();
                    let statuses = (0..REQUESTS).map(|n| connection.get(&format!("/one-in-ten/{n}")).status);
                    statuses.filter(|&status| status == 200).count()
                })
            })
            .collect();
        let goers: Vec<_> = (0..GONE)
            .map(|_| {
                scope.spawn(|| {
                    let get = "GET /large/50000000 HTTP/1.1\r\nHost: test\r\n\r\n";
                    assert_eq!(server.connect().send(get).head().status, 200);
                })
            })
            .collect();
        while !clients.iter().all(|client| client.is_finished()) {
            let seen = scraper.scrape().value(COUNT, &[]);
            assert!(seen >= last, "a counter went from {last} to {seen}");
            (last, scrapes) = (seen, scrapes + 1);
        }
        for client in clients {
            let ok = client.join().unwrap();
            (served, trapped) = (served + ok, trapped + REQUESTS - ok);
        }
        goers.into_iter().for_each(|goer| goer.join().unwrap());
    });
    assert!(scrapes > 3 && trapped == CLIENTS * REQUESTS / 10, "{scrapes} scrapes, {trapped} traps");
    let all = (served + trapped + GONE) as f64;
    let seen = scraper.eventually(|seen| seen.value(COUNT, &[]) >= all);
    assert_eq!(seen.value(COUNT, &[]), all);
    assert_eq!(seen.value(COUNT, &["http_response_status_code=500", "error_type=unreachable"]), trapped as f64);
    assert_eq!(seen.value("httpserver_traps_total", &["reason=unreachable"]), trapped as f64);
    assert_eq!(seen.value(COUNT, &["http_response_status_code=200", "error_type=client_gone"]), GONE as f64);
    assert_eq!(seen.value("http_server_active_requests", &[]), 0.0);
}

#[test]
fn instances_and_those_who_wait_for_one_are_seen() {
    let (server, scraper) = start(App::guest().arg("--max-instances=1"));
    // Longer than a request waits for an instance, and without a client that is behind, which would lose its instance.
    let mut holding = server.connect();
    holding.send("GET /pause/4000 HTTP/1.1\r\nHost: test\r\n\r\n");
    scraper.eventually(|seen| seen.value("httpserver_instances", &[]) == 1.0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/ok").status);
        let seen = scraper.eventually(|seen| seen.value("httpserver_instances_waiting", &[]) == 1.0);
        for (name, value) in [("", 1.0), ("_limit", 1.0), ("_peak", 1.0)] {
            assert_eq!(seen.value(&format!("httpserver_instances{name}"), &[]), value, "{name}");
        }
        assert_eq!(seen.value("http_server_active_requests", &["http_request_method=GET"]), 2.0);
        assert_eq!(seen.value("httpserver_pool_component_instances", &[]), 1.0);
        assert_eq!(waiting.join().unwrap(), 503);
    });
    assert_eq!(holding.response().status, 200);
    let seen = scraper.eventually(|seen| seen.value("httpserver_instances", &[]) == 0.0);
    assert_eq!(seen.value("httpserver_refusals_total", &["reason=busy"]), 1.0);
    assert_eq!(seen.value(COUNT, &["http_response_status_code=503", "error_type=busy"]), 1.0);
}

#[test]
fn metrics_are_there_while_all_threads_compute_and_until_the_drain_ends() {
    let (mut server, scraper) = start(App::guest().args(["--threads=1", "--request-timeout=5"]));
    let mut looping = server.connect();
    looping.send("GET /loop HTTP/1.1\r\nHost: test\r\n\r\n");
    scraper.eventually(|seen| seen.value("httpserver_instances", &[]) == 1.0);
    assert_eq!(scraper.scrape().value("httpserver_draining", &[]), 0.0);
    server.signal(Signal::TERM);
    let seen = scraper.eventually(|seen| seen.value("httpserver_draining", &[]) == 1.0);
    assert_eq!(seen.value("http_server_active_requests", &[]), 1.0);
    assert_eq!(looping.response().status, 504);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_scraper_gets_its_response_although_others_hold_all_connections() {
    let (_server, scraper) = start(App::guest());
    let mut held: Vec<_> = (0..100).map(|_| Connection::open(scraper.address)).collect();
    for connection in &mut held {
        connection.send("GET /metrics HTTP/1.1\r\n");
    }
    let start = Instant::now();
    assert!(scraper.scrape().value("process_open_fds", &[]) > 0.0);
    assert!(start.elapsed() < Duration::from_secs(8), "after {:?}", start.elapsed());
    // The oldest had to make room.
    assert_eq!(held[0].rest(), b"");
}

#[test]
fn only_get_and_head_of_one_path_are_there() {
    let (_server, scraper) = start(App::guest());
    let ask = |request: &str| Connection::open(scraper.address).send(request).response();
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: m\r\n\r\n").status, 404);
    let refused = ask("DELETE /metrics HTTP/1.1\r\nHost: m\r\n\r\n");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(ask("GET /metrics?name=x HTTP/1.1\r\nHost: m\r\n\r\n").status, 200);
    let mut connection = Connection::open(scraper.address);
    let head = connection.send("HEAD /metrics HTTP/1.1\r\nHost: m\r\n\r\n").head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    assert_eq!(connection.rest(), b"");
    let long = ask(&format!("GET /metrics HTTP/1.1\r\nHost: m\r\nBig: {}\r\n\r\n", "x".repeat(9000)));
    assert_eq!(long.status, 431);
}

#[test]
fn a_recorded_trace_leaves_an_exemplar() {
    let (server, scraper) = start(App::guest());
    let request = |flags: &str| {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        format!("GET /ok HTTP/1.1\r\nHost: test\r\ntraceparent: 00-{id}-{flags}\r\n\r\n")
    };
    server.ask(request("00"));
    scraper.eventually(|seen| seen.value(COUNT, &[]) == 1.0);
    let open_metrics = |response: &str| response.lines().filter(|line| line.contains(" # {")).count();
    assert_eq!(open_metrics(scraper.ask(OPEN_METRICS).text()), 0, "it is not recorded");
    server.ask(request("01"));
    scraper.eventually(|seen| seen.value(COUNT, &[]) == 2.0);
    let response = scraper.ask(OPEN_METRICS);
    assert_eq!(response.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let expected = "# {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",span_id=\"00f067aa0ba902b7\"} 0.";
    assert!(response.text().contains(expected) && response.text().ends_with("# EOF\n"), "{}", response.text());
    assert_eq!(open_metrics(response.text()), 1);

    let histograms = scraper.histograms(PROTOBUF);
    let [(labels, histogram)] = &histograms[..] else { panic!("{histograms:?}") };
    assert!(labels.contains(&"http_response_status_code=200".to_owned()), "{labels:?}");
    assert_eq!((histogram.schema, histogram.sample_count, histogram.exemplars.len()), (3, 2, 1));
    let mut count = 0;
    let native: i64 = histogram
        .positive_delta
        .iter()
        .map(|delta| {
            count += delta;
            count
        })
        .sum();
    assert_eq!(native.unsigned_abs() + histogram.zero_count, 2, "{histogram:?}");
    assert_eq!(histogram.bucket.last().map(|bucket| bucket.cumulative_count), Some(2));
}

#[test]
fn lines_that_were_dropped_are_counted() {
    let (server, scraper) = start(App::shipped());
    server.stdout.pause(true);
    let (mut connection, path) = (server.connect(), format!("/{}", "x".repeat(1000)));
    // As in `tests/log.rs`: more than the queue and the pipe take.
    for _ in 0..1500 {
        assert_eq!(connection.get(&path).status, 200);
    }
    let dropped = scraper.scrape().value("httpserver_log_lines_dropped_total", &["stream=stdout"]);
    server.stdout.pause(false);
    eventually("each line is printed or counted", || {
        (server.stdout.lines().len() + dropped as usize == 1500).then_some(())
    });
    assert!(dropped > 0.0);
    assert_eq!(scraper.scrape().value("httpserver_log_lines_dropped_total", &["stream=stdout"]), dropped);
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let finished = App::guest().arg(format!("--metrics-listen={taken}")).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let expected = format!("cannot listen on {taken} for metrics: this server or another one has that address");
    assert!(finished.stderr.contains(&expected) && finished.stderr.contains("--metrics-listen"), "{finished:?}");
    // The application's own.
    drop(other);
    let finished = App::guest().listen(taken).env("HTTPSERVER_METRICS_LISTEN", taken.to_string()).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(&expected), "{finished:?}");
}

#[test]
fn without_the_setting_there_is_nothing() {
    let server = App::guest().start();
    assert_eq!(server.get("/ok").status, 200);
    let names = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let names: Vec<_> = names.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap()).collect();
    assert!(!names.iter().any(|name| name.trim() == "metrics"), "{names:?}");
    assert!(!server.stderr.lines().iter().any(|line| line.contains("metrics")));
}
