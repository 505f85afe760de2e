//! Rules for every response, from any route.

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
    assert_eq!(*host.reads.borrow(), ["version", "log_level", "log_format"]);
}

/// The outcome of a request with one header, and its log line.
fn with_header(name: &str, value: &[u8]) -> (Outcome, String) {
    let head = RequestHead::new("GET", "/", vec![(name.into(), value.into())]);
    let (outcome, entry) = respond(head, &TestHost::default());
    let done = Completion { time: Default::default(), duration: Default::default(), bytes: 0, error: None };
    (outcome, entry.unwrap().line(&done))
}

#[test]
fn a_header_value_that_is_not_text_is_rejected() {
    let values: [(&[u8], &str); 9] = [
        (b"\xff", "is not UTF-8"),
        (b"caf\xe9", "is not UTF-8"),
        (b"\xed\xa0\x80", "is not UTF-8"),
        (b"a\r\nx: y", "holds control characters"),
        (b"a\nb", "holds control characters"),
        (b"\0", "holds control characters"),
        (b"\x1b[31m", "holds control characters"),
        (b"\x7f", "holds control characters"),
        ("\u{9b}31m".as_bytes(), "holds control characters"),
    ];
    for (value, complaint) in values {
        let (response, line) = with_header("X-Bad", value);
        let accepted = "accepted is UTF-8 text without control characters other than TAB";
        assert_eq!(response.detail(400), format!("the value of the header field x-bad {complaint}; {accepted}"));
        assert_eq!((response.field("x-bad"), response.field("version")), ("", "dev"));
        assert!(line.contains(complaint) && line.matches(char::is_control).count() == 1, "{line:?}");
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
    assert!(with_header("x bad", b"").0.detail(400).contains("no header field name"));
    assert!(with_header("", b"").0.detail(400).contains("no header field name"));
    assert!(send("G T", "/", &[]).detail(400).contains("no token"));
    assert!(send("", "/", &[]).detail(400).contains("no token"));
    assert!(send("GET", "/a b", &[]).detail(400).contains("no request target"));
    assert!(send("GET", "/\n", &[]).detail(400).contains("no request target"));
    assert!(send("GET", "no-slash", &[]).detail(400).contains("no request target"));
    assert!(send("GET", &format!("/{}", "a".repeat(70_000)), &[]).detail(400).len() < 200);
    let many = (0..100_000).map(|number| (format!("x-{number}"), Vec::new()));
    let many = RequestHead::new("GET", "/", many.collect());
    assert!(respond(many, &TestHost::default()).0.detail(400).contains("too many"));
}
