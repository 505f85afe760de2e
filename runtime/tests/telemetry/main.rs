//! Traces and metrics in a real OpenTelemetry collector, and servers whose collector is slow or gone. Each server is confined, as
//! every server is.

mod delivery;
mod metrics;
mod slow_collector;
mod traces;

use std::fs;

use test_support::{App, Collector, Server, Span};

/// The shipped component, sending to `endpoint` at once.
fn app(endpoint: &str) -> App {
    App::shipped().env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "50")
}

fn http(collector: &Collector) -> String {
    format!("http://{}", collector.http)
}

fn grpc(collector: &Collector) -> String {
    format!("http://{}", collector.grpc)
}

/// The span of the request for `path`.
#[track_caller]
fn span_of(collector: &Collector, path: &str) -> Span {
    collector.span(&format!("the span of {path}"), |span| span.attributes["url.path"] == path)
}

fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: tests\r\n{fields}\r\n")
}

/// The `traceparent` that the component got.
#[track_caller]
fn seen_by_the_component(server: &Server, fields: &str) -> Option<String> {
    let headers = server.ask(request("GET", "/headers", fields)).json();
    headers["traceparent"][0].as_str().map(str::to_owned)
}

#[test]
fn a_bad_variable_is_an_error_at_start() {
    let finished = app("http://collector:4318").env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json").run();
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.stderr,
        "error: invalid OTEL_EXPORTER_OTLP_PROTOCOL \"http/json\": expected http/protobuf or grpc\n"
    );
}

/// The names and filters of the threads of a server.
fn threads(server: &Server) -> Vec<(String, u32)> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it lives");
    let read = |name: &str, thread: &fs::DirEntry| fs::read_to_string(thread.path().join(name)).expect("it lives");
    let threads = threads.map(|thread| {
        let thread = thread.expect("the kernel shows it");
        let status = read("status", &thread);
        let filters = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:")).expect("Linux 5.9");
        (read("comm", &thread).trim().to_owned(), filters.trim().parse().expect("a number"))
    });
    threads.collect()
}

#[test]
fn only_the_thread_that_sends_may_connect_and_without_telemetry_there_is_none() {
    let sending = app("http://127.0.0.1:1").start();
    let of = |name: &str| threads(&sending).into_iter().find(|(known, _)| known == name).expect(name).1;
    assert_eq!(of("httpserver"), of("telemetry") + 1, "those that serve have one filter more");
    let silent = App::shipped().start();
    assert!(threads(&silent).iter().all(|(name, _)| name != "telemetry"));
    assert_eq!(seen_by_the_component(&silent, ""), None);
}
