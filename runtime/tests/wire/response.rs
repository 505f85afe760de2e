//! The response as the client gets it.

use std::io::Read;

use test_support::App;
use test_support::Framing;

#[test]
fn the_head_of_a_response_arrives_before_its_body_is_there() {
    let server = App::guest().start();
    let mut connection = server.connect();
    let head = connection.send("POST /head-first HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n").head();
    // The guest writes the body only when it has this byte.
    connection.send("x");
    assert_eq!((head.status, head.framing()), (200, Framing::Chunked));
    let mut body = Vec::new();
    connection.body(head.framing(), |piece| body.extend_from_slice(piece)).expect("a whole body");
    assert_eq!(body, b"first half, second half");
    assert_eq!(connection.get("/ok").text(), "ok", "the connection goes on");
}

#[test]
fn a_small_response_arrives_in_one_segment() {
    for (app, path, body) in [(App::guest(), "/ok", "ok"), (App::shipped(), "/", "response write ok")] {
        let server = app.start();
        let mut connection = server.connect();
        let mut socket = connection.socket();
        for _ in 0..50 {
            connection.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            let mut bytes = [0; 4096];
            let read = socket.read(&mut bytes).expect("a response");
            let text = String::from_utf8_lossy(&bytes[..read]);
            assert!(text.ends_with(&format!("\r\n\r\n{body}")), "a first segment of {read} bytes: {text:?}");
        }
    }
}

#[test]
fn date_is_added_and_server_is_not() {
    let server = App::guest().start();
    let response = server.get("/ok");
    assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")), "{response:?}");
    assert_eq!(response.header("server"), None);
}

#[test]
fn a_guest_cannot_set_connection_fields_or_values_with_line_ends() {
    let server = App::guest().start();
    let forbidden = "Err(HeaderError::Forbidden)";
    let malformed = "Err(HeaderError::InvalidSyntax)";
    let expected = [
        ("connection", forbidden),
        ("keep-alive", forbidden),
        ("proxy-connection", forbidden),
        ("proxy-authenticate", forbidden),
        ("proxy-authorization", forbidden),
        ("transfer-encoding", forbidden),
        ("upgrade", forbidden),
        ("host", forbidden),
        ("http2-settings", forbidden),
        ("x-free", "Ok(())"),
        (r#"value "a\rb""#, malformed),
        (r#"value "a\nb""#, malformed),
        (r#"value "a\0b""#, malformed),
        (r#"value "a\tb""#, "Ok(())"),
        ("value \"a\u{fffd}b\"", "Ok(())"),
    ];
    let expected: Vec<_> = expected.iter().map(|(name, result)| format!("{name} {result}")).collect();
    assert_eq!(server.get("/fields").text().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_body_larger_than_any_buffer_arrives_whole() {
    let server = App::guest().start();
    let response = server.get("/large/5000000");
    assert_eq!(response.header("content-length"), Some("5000000"));
    assert!(response.body.len() == 5_000_000 && response.body.iter().all(|byte| *byte == b'x'));
}

#[test]
fn the_response_to_head_has_no_body() {
    let server = App::guest().start();
    let mut connection = server.connect();
    let head = connection.send("HEAD /ok HTTP/1.1\r\nHost: test\r\n\r\n").head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("2")));
    assert_eq!(connection.get("/ok").text(), "ok", "nothing comes between the two responses");
}

#[test]
fn pipelined_requests_get_one_response_each_in_order() {
    let server = App::guest().start();
    let mut connection = server.connect();
    let numbers: Vec<_> = (1..10).map(|number| number.to_string()).collect();
    let get = |number: &String| format!("GET /one-in-ten/{number} HTTP/1.1\r\nHost: test\r\n\r\n");
    connection.send(numbers.iter().map(get).collect::<String>()).finish_sending();
    for number in numbers {
        assert_eq!(connection.response().text(), number);
    }
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_failure_in_a_pipeline_keeps_its_place() {
    let server = App::guest().start();
    let mut connection = server.connect();
    let get = |number: u32| format!("GET /one-in-ten/{number} HTTP/1.1\r\nHost: test\r\n\r\n");
    connection.send((9..12).map(get).collect::<String>());
    let responses: Vec<_> = (0..3).map(|_| connection.response()).collect();
    assert_eq!(responses.iter().map(|response| response.status).collect::<Vec<_>>(), [200, 500, 200]);
    assert_eq!((responses[0].text(), responses[2].text()), ("9", "11"));
}

#[test]
fn a_client_that_closed_its_sending_half_gets_a_response() {
    let server = App::guest().start();
    // The second one takes so long that the server sees the end before it responds.
    for path in ["/ok", "/pause/50"] {
        let mut connection = server.connect();
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).finish_sending();
        assert_eq!(connection.response().text(), "ok");
        assert_eq!(connection.rest(), b"");
    }
}

#[test]
fn a_client_that_waits_for_100_gets_it_when_the_guest_reads() {
    let server = App::guest().start();
    let mut connection = server.connect();
    connection.send("POST /hold HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.response().status, 100);
    assert_eq!(connection.send("hello").response().text(), "5");
}

#[test]
fn a_client_that_waits_for_100_gets_the_response_if_the_guest_does_not_read() {
    let server = App::guest().start();
    let mut connection = server.connect();
    connection.send("POST /ok HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.response().text(), "ok");
}

#[test]
fn http_1_0_closes_after_the_response_and_keeps_alive_on_request() {
    let server = App::guest().start();
    let mut closing = server.connect();
    assert_eq!(closing.send("GET /ok HTTP/1.0\r\nHost: test\r\n\r\n").response().text(), "ok");
    assert_eq!(closing.rest(), b"");
    let mut staying = server.connect();
    for _ in 0..2 {
        staying.send("GET /ok HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n");
        let response = staying.response();
        assert_eq!((response.header("connection"), response.text()), (Some("keep-alive"), "ok"));
    }
}

#[test]
fn in_http_1_0_a_body_without_a_length_ends_with_the_connection() {
    let server = App::guest().start();
    let mut connection = server.connect();
    connection.send("POST /head-first HTTP/1.0\r\nHost: test\r\nContent-Length: 1\r\n\r\nx");
    let response = connection.response();
    assert_eq!((response.framing(), response.text()), (Framing::UntilClose, "first half, second half"));
}

#[test]
fn a_request_with_connection_close_closes() {
    let server = App::guest().start();
    let mut connection = server.connect();
    let response = connection.send("GET /ok HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").response();
    assert_eq!((response.header("connection"), response.text()), (Some("close"), "ok"));
    assert_eq!(connection.rest(), b"");
}
