//! Responses that the runtime makes before the guest runs, or without it.

use test_support::{App, eventually};

#[test]
fn a_request_that_breaks_the_rules_of_http_gets_400_and_the_reason() {
    let cases = [
        ("no Host in HTTP/1.1", "GET / HTTP/1.1\r\n\r\n", "Host"),
        ("no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "Host"),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "more than one Host"),
        ("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "Host"),
        ("a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "invalid Host \"a b\": expected"),
        ("a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "Host"),
        ("a Host with a user", "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", "Host"),
        ("a Host with a port that is none", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "Host"),
        ("another authority than Host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "invalid authority \"b\""),
        ("another port than Host", "GET http://a:1/ HTTP/1.1\r\nHost: a:2\r\n\r\n", "authority"),
        ("an absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n", "Host"),
        ("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "CONNECT"),
    ];
    let server = App::guest().start();
    for (name, request, expected) in cases {
        let response = server.ask(request);
        assert_eq!(response.status, 400, "{name}");
        let detail = response.problem(400);
        assert!(detail.contains(expected), "{name}: {detail}");
        assert_eq!(server.get("/ok").text(), "ok", "after {name}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_gets_500_without_a_body() {
    let server = App::guest().start();
    let response = server.ask(b"GET /ok HTTP/1.1\r\nHost: test\r\nX-A: \xFF\r\n\r\n");
    assert_eq!((response.status, response.header("content-length")), (500, Some("0")));
}

#[test]
fn a_hundred_fields_are_accepted_and_one_more_gets_431() {
    let server = App::guest().start();
    let request = |fields: usize| {
        let fields: String = (1..fields).map(|n| format!("X-{n}: 1\r\n")).collect();
        format!("GET /ok HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
    };
    assert_eq!(server.ask(request(100)).status, 200);
    assert_eq!(server.ask(request(101)).status, 431);
}

#[test]
fn a_head_that_is_too_large_gets_431() {
    // Bytes of a head that are accepted, and bytes that are not.
    for (argument, accepted, refused) in [
        (None, 15 << 10, 17 << 10),
        (Some("--max-head=8192"), 7 << 10, 9 << 10),
        (Some("--max-head=65536"), 60 << 10, 1 << 20),
    ] {
        let server = App::guest().args(argument).start();
        let request = |length: usize| format!("GET /ok HTTP/1.1\r\nHost: test\r\nX-A: {}\r\n\r\n", "a".repeat(length));
        assert_eq!(server.ask(request(accepted)).status, 200, "{argument:?}");
        assert_eq!(server.ask(request(refused)).status, 431, "{argument:?}");
    }
}

#[test]
fn connection_cannot_remove_what_a_request_needs() {
    let server = App::guest().start();
    let response = server.ask("GET /dump HTTP/1.1\r\nHost: test\r\nX-A: 1\r\nConnection: host, x-a, close\r\n\r\n");
    assert_eq!(response.status, 200);
    assert!(response.text().contains(r#"authority Some("test")"#), "{}", response.text());
    assert!(!response.text().contains("x-a"), "{}", response.text());
    let response = server
        .ask("POST /hold HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nConnection: content-length, close\r\n\r\nab");
    assert_eq!((response.status, response.text()), (200, "2"));
}

#[test]
fn bytes_that_are_not_http_get_400() {
    let server = App::guest().start();
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let mut connection = server.connect();
        assert_eq!(connection.send(bytes).response().status, 400, "{bytes:?}");
        assert_eq!(connection.rest(), b"");
    }
}

#[test]
fn a_request_with_two_lengths_is_refused() {
    let server = App::guest().start();
    let request = "POST /ok HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(server.ask(request).status, 400);
}

#[test]
fn the_runtime_responds_to_the_well_known_paths_of_spin() {
    // The guest cannot respond: the only instance is busy.
    let server = App::guest().arg("--max-instances=1").start();
    let mut busy = server.connect();
    busy.send("GET /wait HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the instance is busy", || (server.get("/ok").status == 503).then_some(()));
    let health = server.get("/.well-known/spin/health");
    assert_eq!((health.status, health.text()), (200, "OK"));
    let info = server.get("/.well-known/spin/info").json();
    assert_eq!((&info["name"], &info["version"]), (&"test-guest".into(), &"0.1.0".into()));
    let other = server.get("/.well-known/spin/other");
    assert_eq!((other.status, other.text()), (404, ""));
    assert_eq!(server.get("/.well-known/other").status, 503, "any other path is the guest's");
}
