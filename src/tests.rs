//! Rules for every response, from any route.

use std::cell::Cell;

use crate::config::tests::names;
use crate::middleware::access_log::Completion;
use crate::request::RequestHead;
use crate::respond;
use crate::response::{Body, Outcome};
use crate::router::ROUTES;
use crate::testing::{TestHost, get, request_head, send};

fn paths() -> impl Iterator<Item = String> {
    ROUTES.iter().map(|route| route.path.replace("{code}", "404").replace("{seconds}", "0"))
}

#[test]
fn every_response_has_the_version() {
    let host = TestHost::with([("version", "v9")]);
    for path in paths().chain(["/status/204".into(), "/hello?user=%".into(), "/delay/x".into()]) {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            let response = host.send(method, &path, &[("version", "forged")]);
            assert_eq!(response.field("version"), "v9", "{method} {path}");
        }
    }
}

#[test]
fn no_response_is_taken_for_another_type() {
    for path in paths().chain(["/status/204".into(), "/hello?user=%".into(), "/delay/x".into(), "no-slash".into()]) {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "G T"] {
            let response = send(method, &path, &[("x-content-type-options", "forged")]);
            assert_eq!(response.field("x-content-type-options"), "nosniff", "{method} {path}");
        }
    }
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    for path in paths().chain(["/status/204".into(), "/hello?user=%".into(), "/delay/x".into()]) {
        let (get, head) = (send("GET", &path, &[("x-a", "1")]), send("HEAD", &path, &[("x-a", "1")]));
        assert_eq!(get.status(), head.status(), "{path}");
        assert_eq!(get.response.headers(), head.response.headers(), "{path}");
        assert_eq!(head.response.body(), &Body::Empty, "{path}");
    }
}

#[test]
fn every_text_has_its_length_in_bytes() {
    for path in paths().chain(["/hello?user=%C3%AB".into(), "/delay/x".into()]) {
        let response = get(&path);
        assert_eq!(response.field("content-length"), response.body().len().to_string(), "{path}");
    }
}

#[test]
fn bad_variables_change_only_readiness() {
    // No variable may contain a line feed.
    let bad = TestHost::with(names().map(|name| (name, "\n")));
    for path in paths().filter(|path| path != "/readyz") {
        let (outcome, entry) = respond(request_head("GET", &path, &[]), &bad);
        let (expected, expected_entry) = respond(request_head("GET", &path, &[]), &TestHost::default());
        assert_eq!(outcome.response.body(), expected.response.body());
        assert_eq!(outcome.response.headers(), expected.response.headers());
        assert_eq!(entry.is_some(), expected_entry.is_some());
    }
}

#[test]
fn an_ordinary_request_reads_three_variables() {
    let host = TestHost::default();
    host.send("GET", "/", &[("accept", "*/*")]);
    assert_eq!(*host.reads.borrow(), ["log", "version", "metrics"]);
}

/// The outcome of a request with one header, and its log line.
fn with_header(name: &str, value: &[u8]) -> (Outcome, String) {
    let head = RequestHead::new("GET", "/", || vec![(name.into(), value.into())]);
    let (outcome, entry) = respond(head, &TestHost::default());
    let done = Completion { time: Default::default(), duration: Default::default(), bytes: 0, error: None };
    (outcome, entry.unwrap().line(&done))
}

#[test]
fn a_header_value_that_is_not_text_is_rejected() {
    let values: [&[u8]; _] = [
        b"\xff",
        b"caf\xe9",
        b"\xed\xa0\x80",
        b"a\r\nx: y",
        b"a\nb",
        b"\0",
        b"\x1b[31m",
        b"\x7f",
        "\u{9b}31m".as_bytes(),
    ];
    for value in values {
        let (response, line) = with_header("X-Bad", value);
        let expected = "invalid value of the header x-bad: expected UTF-8 without control characters other than TAB";
        assert_eq!(response.detail(400), expected);
        assert_eq!((response.field("x-bad"), response.field("version")), ("", "dev"));
        assert!(line.contains(expected) && line.matches(char::is_control).count() == 1, "{line:?}");
    }
}

#[test]
fn every_other_header_value_is_accepted() {
    for value in ["", " ", "a\tb", "é ✓ 🦀", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"] {
        let (response, _) = with_header("x-good", value.as_bytes());
        assert_eq!((response.status(), response.field("x-good")), (200, value));
    }
}

#[test]
fn a_malformed_head_is_rejected_even_if_a_host_lets_it_through() {
    for name in ["x bad", ""] {
        let expected = format!("invalid header name \"{name}\": expected a token (RFC 9110 §5.1), such as accept");
        assert_eq!(with_header(name, b"").0.detail(400), expected);
    }
    for method in ["G T", ""] {
        let expected = format!("invalid method \"{method}\": expected a token (RFC 9110 §5.6.2), such as GET");
        assert_eq!(send(method, "/", &[]).detail(400), expected);
    }
    for (target, shown) in [("/a b", "/a b"), ("/\n", "/\\n"), ("no-slash", "no-slash")] {
        let expected = "expected a path (RFC 9112 §3.2), such as /hello?user=ada";
        assert_eq!(get(target).detail(400), format!("invalid request target \"{shown}\": {expected}"));
    }
    assert!(get(&format!("/{}", "a".repeat(70_000))).detail(400).len() < 200);
}

#[test]
fn the_number_of_header_names_has_a_limit() {
    let with_names = |count| {
        let headers = (0..count).map(|number| (format!("x-{number}"), Vec::new()));
        respond(RequestHead::new("GET", "/version", || headers.collect()), &TestHost::default()).0
    };
    assert_eq!(with_names(24_576).status(), 200);
    let expected = "invalid number of headers: expected at most 24576 different names";
    assert_eq!(with_names(24_577).detail(400), expected);
}

#[test]
fn the_headers_are_read_only_where_the_response_or_the_log_needs_them() {
    let is_read = |method, target, log| {
        let read = Cell::new(false);
        let head = RequestHead::new(method, target, || {
            read.set(true);
            Vec::new()
        });
        respond(head, &TestHost::with([("log", log)]));
        read.get()
    };
    assert!(!is_read("GET", "/healthz", "json") && !is_read("HEAD", "/healthz?x", "text:error"));
    for (method, target, log) in [
        ("GET", "/healthz", "json:debug"),
        ("POST", "/healthz", "json"),
        ("G T", "/healthz", "json"),
        ("GET", "/readyz", "json:error"),
    ] {
        assert!(is_read(method, target, log), "{method} {target} {log}");
    }
}
