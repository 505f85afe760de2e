//! The end of a server: after SIGTERM or SIGINT it stops accepting, finishes the requests that run, and exits with 0.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::kill_process;
use test_support::http2::Http2;
use test_support::tls::{Identity, Stream};
use test_support::{App, Connection, Server, Signal, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request to which the guest responds when it has the one byte of the body.
const HOLD: &str = "POST /hold HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n";

/// A connection with a request that the guest works on.
fn held(server: &Server) -> Connection {
    let mut connection = server.connect();
    connection.send(HOLD);
    server.stdout.line_with("holding");
    connection
}

/// Sends the signal and waits until the server logs that it drains.
fn begin_to_drain(server: &Server, signal: Signal) {
    server.signal(signal);
    server.stderr.line_with("draining");
}

#[track_caller]
fn assert_refuses(server: &Server) {
    eventually("new connections are refused", || {
        Connection::try_open(server.address())
            .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
            .then_some(())
    });
}

#[test]
fn after_a_signal_running_requests_finish_and_the_exit_code_is_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = App::guest().start();
        let mut connection = held(&server);
        begin_to_drain(&server, signal);
        assert_refuses(&server);
        assert_eq!(server.ended(), None, "it waits for the request");
        let response = connection.send("x").response();
        assert_eq!((response.status, response.text()), (200, "1"));
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(connection.rest(), b"");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_body_that_is_being_sent_at_the_signal_arrives_whole() {
    let mut server = App::guest().start();
    let mut connection = server.connect();
    let head = connection.send("POST /head-first HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n").head();
    begin_to_drain(&server, Signal::TERM);
    assert_refuses(&server);
    connection.send("x");
    let mut body = Vec::new();
    connection.body(head.framing(), |piece| body.extend_from_slice(piece)).expect("a whole body");
    assert_eq!(body, b"first half, second half");
    assert_eq!(connection.rest(), b"");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_large_body_that_the_client_reads_after_the_signal_arrives_whole() {
    let mut server = App::guest().start();
    let mut connection = server.connect();
    let head = connection.send("GET /large/20000000 HTTP/1.1\r\nHost: test\r\n\r\n").head();
    begin_to_drain(&server, Signal::TERM);
    let mut length = 0;
    connection.body(head.framing(), |piece| length += piece.len()).expect("a whole body");
    assert_eq!(length, 20_000_000);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn idle_connections_are_closed_at_once() {
    let mut server = App::guest().start();
    let mut fresh = server.connect();
    let mut idle = server.connect();
    assert_eq!(idle.get("/ok").text(), "ok");
    let mut busy = held(&server);
    begin_to_drain(&server, Signal::TERM);
    assert_eq!(idle.rest(), b"");
    assert_eq!(fresh.rest(), b"");
    assert_eq!(server.ended(), None, "a request is under way");
    assert_eq!(busy.send("x").response().text(), "1");
    assert_eq!(server.wait().code(), Some(0));
}

/// A client that has sent `bytes` after its handshake, or has not even begun one, does not hold up the drain for longer than a moment.
async fn assert_does_not_hold_up(protocols: Option<&[&str]>, bytes: &[u8]) {
    let identity = Identity::generate();
    let mut server = App::guest().with_tls(&identity).start();
    let tcp = TcpStream::connect(server.address()).await.expect("the server listens");
    let mut client: Box<dyn Stream> = match protocols {
        Some(protocols) => Box::new(identity.handshake(tcp, protocols).await.expect("the handshake succeeds")),
        None => Box::new(tcp),
    };
    client.write_all(bytes).await.expect("the server takes what is sent");
    client.flush().await.expect("the server takes what is sent");
    // A first response shows that the server has what was sent before.
    let mut other = identity.connect(server.address(), &["http/1.1"]).await;
    other
        .write_all(b"GET /ok HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await
        .expect("the server takes what is sent");
    other.read_to_end(&mut Vec::new()).await.expect("a response");
    let start = Instant::now();
    server.signal(Signal::TERM);
    let status = tokio::task::spawn_blocking(move || server.wait()).await.expect("no panic");
    assert_eq!(status.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "after {:?}: {protocols:?} {bytes:?}", start.elapsed());
}

#[tokio::test]
async fn a_handshake_does_not_hold_up_the_drain() {
    assert_does_not_hold_up(None, b"").await;
    assert_does_not_hold_up(None, b"\x16\x03\x01").await;
}

#[tokio::test]
async fn a_connection_without_a_whole_request_does_not_hold_up_the_drain() {
    for bytes in [&b""[..], b"GET /ok HT", b"GET /ok HTTP/1.1\r\nHost: t"] {
        assert_does_not_hold_up(Some(&["http/1.1"]), bytes).await;
    }
    for bytes in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        assert_does_not_hold_up(Some(&["h2"]), bytes).await;
    }
}

#[test]
fn a_head_that_has_begun_does_not_hold_up_the_drain() {
    let mut server = App::guest().start();
    let mut half = server.connect();
    half.send("GET /ok HTTP/1.1\r\nHost: t");
    let mut second = server.connect();
    assert_eq!(second.get("/ok").text(), "ok");
    second.send("GET /ok HT");
    assert_eq!(server.get("/ok").text(), "ok");
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
}

#[test]
fn an_idle_server_ends_at_once() {
    let mut server = App::guest().start();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_drain() {
    for second in [Signal::TERM, Signal::INT] {
        let mut server = App::guest().start();
        let mut connection = held(&server);
        begin_to_drain(&server, Signal::TERM);
        server.signal(second);
        let ended = server.wait();
        assert!(!ended.success(), "{ended:?}, signal {:?}", ended.signal());
        assert_eq!(connection.rest(), b"", "the request is cut");
    }
}

#[test]
fn the_drain_ends_at_its_timeout_and_reports_how_many_connections_it_cut() {
    let mut server = App::guest().arg("--drain-timeout=0.3").start();
    let mut connection = held(&server);
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
    assert!(start.elapsed() >= Duration::from_millis(300), "after {:?}", start.elapsed());
    assert_eq!(connection.rest(), b"");
    assert!(server.stderr.line_with("cut").contains('1'));
}

#[test]
fn a_guest_that_never_ends_does_not_outlast_the_drain_timeout() {
    let mut server = App::guest().arg("--drain-timeout=0.3").start();
    server.connect().send("GET /loop-after-head HTTP/1.1\r\nHost: test\r\n\r\n").head();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
}

#[test]
fn a_connection_in_the_backlog_gets_a_response_or_is_closed() {
    let mut server = App::guest().start();
    // A stopped process accepts nothing; the kernel accepts connections for it.
    server.signal(Signal::STOP);
    let waiting: Vec<_> = (0..50)
        .map(|number| {
            let mut connection = server.connect();
            // Some have sent their request, some have not.
            if number % 2 == 0 {
                connection.send("GET /ok HTTP/1.1\r\nHost: test\r\n\r\n");
            }
            connection
        })
        .collect();
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    for mut connection in waiting {
        let response = String::from_utf8_lossy(&connection.rest()).into_owned();
        let is_whole = response.starts_with("HTTP/1.1 200") && response.ends_with("\r\n\r\nok");
        assert!(response.is_empty() || is_whole, "{response}");
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[tokio::test]
async fn an_http_2_stream_that_is_open_at_the_signal_is_finished() {
    let mut server = App::guest().start();
    let client = Http2::open(TcpStream::connect(server.address()).await.expect("the server listens")).await;
    let (body, response) = client.post("http://test/hold");
    // Not on the client's thread, which must go on.
    let stdout = server.stdout.clone();
    tokio::task::spawn_blocking(move || stdout.line_with("holding")).await.expect("the guest has the request");
    begin_to_drain(&server, Signal::TERM);
    assert_refuses(&server);
    drop(body);
    let response = response.await.expect("no panic").expect("a response");
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"0"[..]));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_signal_during_the_start_ends_the_process_with_0_and_is_reported() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        // Without an entry in the cache the component is compiled.
        let cache = tempfile::tempdir().expect("a temporary folder");
        let finished = App::shipped().env("XDG_CACHE_HOME", cache.path()).run_and(|pid| {
            eventually("the process holds the signal back", || {
                holds_back(pid.as_raw_nonzero().get(), signal).then_some(())
            });
            kill_process(pid, signal).expect("the process is our own child");
        });
        assert_eq!((finished.code, &*finished.stdout), (Some(0), ""), "{finished:?}");
        assert_eq!(finished.stderr, format!("httpserver: {name}: ending before the server serves\n"));
    }
}

/// Whether the first thread of a process blocks `signal`.
fn holds_back(pid: i32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("proc(5)").trim();
    u64::from_str_radix(blocked, 16).expect("proc(5)") & 1 << (signal.as_raw() - 1) != 0
}
