//! What a span has, and what the component sees of it.

use serde_json::Value;
use test_support::Collector;

use super::{app, http, request, seen_by_the_component, span_of};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n")
}

#[test]
fn a_request_continues_the_trace_of_its_caller_and_the_component_is_below() {
    let collector = Collector::start();
    let server = app(&http(&collector))
        .env("OTEL_SERVICE_NAME", "shop")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        .start();
    let seen = seen_by_the_component(&server, &(traceparent("01") + "tracestate: a=1\r\ntracestate: b=2\r\n"));
    let span = span_of(&collector, "/headers");
    assert_eq!((span.trace_id.as_str(), span.parent_id.as_str()), (TRACE, CALLER));
    assert_eq!(seen, Some(format!("00-{TRACE}-{}-01", span.span_id)));
    assert_eq!((span.name.as_str(), &span.json["kind"]), ("GET /...", &2.into()));
    assert_eq!(span.json["traceState"], "a=1,b=2");
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/..."),
        ("http.response.status_code", "200"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("network.peer.address", "127.0.0.1"),
        ("server.address", "example.com"),
        ("server.port", "8080"),
        ("user_agent.original", "tests"),
    ] {
        assert_eq!(span.attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    for (name, value) in
        [("service.name", "shop"), ("service.version", "0.1.0"), ("deployment.environment.name", "test")]
    {
        assert_eq!(span.resource.get(name).map(String::as_str), Some(value), "{name}");
    }
    let nanoseconds = |name: &str| span.json[name].as_str().and_then(|time| time.parse::<u64>().ok()).expect("a time");
    let took = nanoseconds("endTimeUnixNano") - nanoseconds("startTimeUnixNano");
    assert!((1..20_000_000_000).contains(&took), "{took} ns");
}

#[test]
fn a_request_without_a_trace_begins_one() {
    let collector = Collector::start();
    let server = app(&http(&collector)).start();
    // The second belongs to a trace that nobody could find.
    for fields in ["", "traceparent: 00-0-0-01\r\ntracestate: a=1\r\n"] {
        let seen = seen_by_the_component(&server, fields).expect("a trace");
        let span = collector.span("that span", |span| seen.contains(&span.span_id));
        assert_eq!((span.parent_id.as_str(), seen), ("", format!("00-{}-{}-01", span.trace_id, span.span_id)));
        assert_eq!(span.json["traceState"], Value::Null);
    }
}

#[test]
fn what_is_not_sampled_is_not_sent_and_only_a_trace_that_is_known_is_passed_on() {
    let collector = Collector::start();
    let server = app(&http(&collector))
        .env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .env("OTEL_TRACES_SAMPLER_ARG", "0")
        .start();
    assert_eq!(seen_by_the_component(&server, ""), None);
    let unsampled = seen_by_the_component(&server, &traceparent("00")).expect("a trace");
    assert!(unsampled.starts_with(&format!("00-{TRACE}-")) && unsampled.ends_with("-00"), "{unsampled}");
    assert!(!unsampled.contains(CALLER), "{unsampled}");
    server.ask(request("GET", "/last", &traceparent("01")));
    span_of(&collector, "/last");
    assert_eq!(collector.spans().len(), 1);
}

#[test]
fn errors_and_routes_and_odd_methods_have_their_attributes() {
    let collector = Collector::start();
    let server = app(&http(&collector)).start();
    server.ask(request("GET", "/status/503", ""));
    server.ask(request("GET", "/status/404", ""));
    server.ask(request("BREW", "/pot", ""));
    server.ask(request("GET", "/.well-known/spin/health", ""));
    server.ask("GET /refused HTTP/1.1\r\nHost: a@b\r\n\r\n");
    server.ask(request("GET", &format!("/{}", "x".repeat(10_000)), ""));
    let failed = span_of(&collector, "/status/503");
    assert_eq!((failed.attributes["error.type"].as_str(), &failed.json["status"]["code"]), ("503", &2.into()));
    let missing = span_of(&collector, "/status/404");
    assert_eq!((missing.attributes.get("error.type"), &missing.json["status"]["code"]), (None, &Value::Null));
    let brewed = span_of(&collector, "/pot");
    assert_eq!(brewed.name, "HTTP /...");
    assert_eq!(brewed.attributes["http.request.method"], "_OTHER");
    assert_eq!(brewed.attributes["http.request.method_original"], "BREW");
    assert_eq!(span_of(&collector, "/.well-known/spin/health").name, "GET /.well-known/spin/...");
    let refused = span_of(&collector, "/refused");
    assert_eq!((refused.name.as_str(), refused.attributes["http.response.status_code"].as_str()), ("GET", "400"));
    assert!(!refused.attributes.contains_key("http.route"));
    collector.span("a long path is cut", |span| span.attributes["url.path"].len() == 512);
}
