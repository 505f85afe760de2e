//! Clients that do not finish what they began to send.

use test_support::{App, Server};

/// A server with a short read timeout.
fn with_short_timeout() -> Server {
    App::guest().arg("--read-timeout=0.5").start()
}

#[test]
fn a_head_that_does_not_end_gets_408() {
    let server = with_short_timeout();
    for begun in ["G", "GET /ok HTTP/1.1\r\nHost: te", "GET /ok HTTP/1.1\r\nHost: test\r\n"] {
        let mut connection = server.connect();
        let response = connection.send(begun).response();
        assert!(response.problem(408).contains("head"), "{response:?}");
        assert_eq!(connection.rest(), b"");
    }
}

#[test]
fn a_head_that_does_not_end_after_another_request_gets_408() {
    let server = with_short_timeout();
    let mut connection = server.connect();
    assert_eq!(connection.get("/ok").text(), "ok");
    connection.send("GET /ok HT").response().problem(408);
    assert_eq!(connection.rest(), b"");
}

#[test]
fn an_idle_connection_is_closed_without_a_response() {
    let server = with_short_timeout();
    let mut connection = server.connect();
    assert_eq!(connection.get("/ok").text(), "ok");
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_connection_without_a_request_is_closed_without_a_response() {
    let server = with_short_timeout();
    assert_eq!(server.connect().rest(), b"");
}

#[test]
fn a_body_that_does_not_go_on_gets_408() {
    let server = with_short_timeout();
    let mut connection = server.connect();
    connection.send("POST /hold HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhalf");
    assert!(connection.response().problem(408).contains("body"));
    assert_eq!(connection.rest(), b"");
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn a_slow_client_does_not_hold_up_another() {
    let server = App::guest().arg("--threads=1").start();
    let mut slow = server.connect();
    slow.send("POST /hold HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhalf");
    server.stdout.line_with("holding");
    let mut slower = server.connect();
    slower.send("GET /ok HTT");
    assert_eq!(server.get("/ok").text(), "ok");
    assert_eq!(slow.send("other").response().text(), "9");
    assert_eq!(slower.send("P/1.1\r\nHost: test\r\n\r\n").response().text(), "ok");
}
