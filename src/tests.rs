//! What holds for every answer, whichever route gives it.

use crate::router::ROUTES;
use crate::testing::{TestHost, answer, received};
use crate::{Body, Received, respond};

fn paths() -> impl Iterator<Item = String> {
    ROUTES.iter().map(|route| route.path.replace("{code}", "404").replace("{seconds}", "0"))
}

#[test]
fn every_answer_carries_the_version() {
    let host = TestHost::with(&[("version", "v9")]);
    for path in paths().chain(["/status/204".into(), "/hello?user=%".into(), "/delay/x".into()]) {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            let (answer, _) = respond(received(method, &path, &[("version", "forged")]), &host);
            assert_eq!(answer.field("version"), "v9", "{method} {path}");
        }
    }
}

#[test]
fn head_has_the_header_fields_of_get_and_no_body() {
    for path in paths().chain(["/status/204".into(), "/hello?user=%".into(), "/delay/x".into()]) {
        let (get, head) = (answer("GET", &path, &[("x-a", "1")]), answer("HEAD", &path, &[("x-a", "1")]));
        assert_eq!(get.status(), head.status(), "{path}");
        assert_eq!(get.response.headers(), head.response.headers(), "{path}");
        assert_eq!(head.response.body(), &Body::Empty, "{path}");
    }
}

#[test]
fn every_text_states_its_length_in_bytes() {
    for path in paths().chain(["/hello?user=%C3%AB".into(), "/delay/x".into()]) {
        let answer = answer("GET", &path, &[]);
        assert_eq!(answer.field("content-length"), answer.body().len().to_string(), "{path}");
    }
}

#[test]
fn a_bad_variable_changes_nothing_elsewhere() {
    let bad = TestHost::with(&[
        ("version", "a b"),
        ("log_format", "xml"),
        ("trusted_hops", "x"),
        ("hello_max_delay_ms", "x"),
    ]);
    for path in paths().filter(|path| path != "/readyz") {
        let (answer, log) = respond(received("GET", &path, &[]), &bad);
        let (expected, expected_log) = respond(received("GET", &path, &[]), &TestHost::default());
        assert_eq!(answer.response.body(), expected.response.body());
        assert_eq!(answer.response.headers(), expected.response.headers());
        assert_eq!(log.is_some(), expected_log.is_some());
    }
}

#[test]
fn an_ordinary_request_asks_for_three_variables() {
    let host = TestHost::default();
    respond(received("GET", "/", &[("accept", "*/*")]), &host);
    assert_eq!(*host.asked.borrow(), ["version", "log_level", "log_format"]);
}

/// The answer to a request with one header field, and its line in the log.
fn with_field(name: &str, value: &[u8]) -> (crate::Answer, String) {
    let (answer, log) = respond(Received::new("GET", "/", vec![(name.into(), value.into())]), &TestHost::default());
    let done = crate::Completion { time: Default::default(), duration: Default::default(), bytes: 0, error: None };
    (answer, log.unwrap().line(&done))
}

#[test]
fn values_that_are_no_text_are_refused() {
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
        let (answer, line) = with_field("X-Bad", value);
        let accepted = "accepted is UTF-8 text without control characters other than TAB";
        assert_eq!(answer.detail(400), format!("the value of the header field x-bad {complaint}; {accepted}"));
        assert_eq!((answer.field("x-bad"), answer.field("version")), ("", "dev"));
        assert!(line.contains(complaint) && line.matches(char::is_control).count() == 1, "{line:?}");
    }
}

#[test]
fn any_other_value_is_accepted() {
    for value in ["", " ", "a\tb", "é ✓ 🦀", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"] {
        let (answer, _) = with_field("x-good", value.as_bytes());
        assert_eq!((answer.status(), answer.field("x-good")), (200, value));
    }
}

#[test]
fn a_head_that_no_host_should_let_through_is_refused() {
    assert!(with_field("x bad", b"").0.detail(400).contains("no header field name"));
    assert!(with_field("", b"").0.detail(400).contains("no header field name"));
    assert!(answer("G T", "/", &[]).detail(400).contains("no token"));
    assert!(answer("", "/", &[]).detail(400).contains("no token"));
    assert!(answer("GET", "/a b", &[]).detail(400).contains("no request target"));
    assert!(answer("GET", "/\n", &[]).detail(400).contains("no request target"));
    assert!(answer("GET", "no-slash", &[]).detail(400).contains("no request target"));
    assert!(answer("GET", &format!("/{}", "a".repeat(70_000)), &[]).detail(400).len() < 200);
    let many = (0..100_000).map(|number| (format!("x-{number}"), Vec::new()));
    let many = Received::new("GET", "/", many.collect());
    assert!(respond(many, &TestHost::default()).0.detail(400).contains("too many"));
}
