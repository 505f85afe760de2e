//! A guest that fails affects its own request only.

use std::fs;
use std::io::{ErrorKind, Read};
use std::thread;
use std::time::{Duration, Instant};

use test_support::{App, Framing, Server, eventually};

const MIB: u64 = 1 << 20;

/// A server with a short request timeout.
fn strict() -> Server {
    App::guest().arg("--request-timeout=0.5").start()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

#[test]
fn a_guest_that_fails_becomes_a_500_and_the_log_has_the_reason() {
    let cases = [
        ("/trap", "unreachable"),
        ("/exit", "exited with 1"),
        ("/no-response", "without a response"),
        ("/memory", "the limit is"),
    ];
    let server = App::guest().start();
    let mut other = server.connect();
    for (path, reason) in cases {
        let mut connection = server.connect();
        let response = connection.get(path);
        assert_eq!((response.status, response.header("content-length")), (500, Some("0")), "{path}");
        let line = server.stderr.line_with(&format!("GET {path} 500"));
        assert!(line.contains(reason), "{line}");
        assert_eq!(connection.get("/ok").text(), "ok", "its connection goes on after {path}");
        assert_eq!(other.get("/ok").text(), "ok", "others go on after {path}");
    }
}

#[test]
fn a_guest_that_loops_becomes_a_504_while_others_respond() {
    let server = App::guest().arg("--request-timeout=1").start();
    let start = Instant::now();
    // More than there are threads.
    let mut looping: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for connection in &mut looping {
        connection.send(get("/loop"));
    }
    let mut responses = 0;
    while start.elapsed() < Duration::from_millis(800) {
        assert_eq!(server.get("/ok").text(), "ok");
        responses += 1;
    }
    assert!(responses >= 3, "only {responses} responses to others");
    for connection in &mut looping {
        connection.response().problem(504);
    }
    // The limit, and the same time again for each guest that ran before.
    assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
    server.stderr.line_with("GET /loop 504");
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn a_guest_that_never_responds_becomes_a_504() {
    let server = strict();
    let start = Instant::now();
    let mut connection = server.connect();
    connection.get("/wait").problem(504);
    assert!(start.elapsed() >= Duration::from_millis(500), "after {:?}", start.elapsed());
    server.stderr.line_with("GET /wait 504");
    assert_eq!(connection.get("/ok").text(), "ok");
}

#[test]
fn a_guest_that_never_ends_its_response_is_cut_off() {
    for path in ["/loop-after-head", "/wait-after-head"] {
        let server = App::guest().args(["--request-timeout=0.5", "--max-instances=1"]).start();
        let mut connection = server.connect();
        assert_eq!(connection.send(get(path)).head().status, 200);
        connection.body(Framing::Chunked, |_| {}).expect_err("a body that breaks off");
        eventually("its instance is free again", || (server.get("/ok").status == 200).then_some(()));
    }
}

#[test]
fn a_response_that_goes_on_and_on_ends() {
    // A byte now and then, and as many as the client takes.
    for path in ["/trickle/50", "/trickle/0"] {
        let server = App::guest().args(["--response-timeout=1", "--max-instances=1"]).start();
        let mut connection = server.connect();
        let start = Instant::now();
        assert_eq!(connection.send(get(path)).head().status, 200);
        let mut bytes = 0;
        connection.body(Framing::Chunked, |piece| bytes += piece.len()).expect_err("a body that breaks off");
        let took = start.elapsed();
        assert!(bytes > 1 && took >= Duration::from_secs(1), "{path}: {bytes} bytes in {took:?}");
        server.stderr.line_with("its response did not end within 1s");
        eventually("its instance is free again", || (server.get("/ok").status == 200).then_some(()));
    }
}

#[test]
fn without_a_limit_a_response_goes_on() {
    let server = App::guest().args(["--response-timeout=0", "--request-timeout=1"]).start();
    let mut connection = server.connect();
    let start = Instant::now();
    assert_eq!(connection.send(get("/trickle/100")).head().status, 200);
    let mut socket = connection.socket();
    while start.elapsed() < Duration::from_secs(3) {
        assert_ne!(socket.read(&mut [0; 100]).expect("it goes on"), 0, "after {:?}", start.elapsed());
    }
}

#[test]
fn a_guest_ends_when_its_client_closes_in_the_middle_of_a_body() {
    let server = App::guest().arg("--max-instances=1").start();
    assert_eq!(server.connect().send(get("/large/50000000")).head().status, 200);
    eventually("its instance is free again", || (server.get("/ok").status == 200).then_some(()));
}

#[test]
fn a_trap_in_the_middle_of_a_body_is_visible_to_the_client() {
    let server = App::guest().start();
    let mut connection = server.connect();
    let head = connection.send("POST /trap-after-head HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n").head();
    connection.send("x");
    let mut body = Vec::new();
    let end = connection.body(head.framing(), |piece| body.extend_from_slice(piece));
    assert_eq!((end.expect_err("no end").kind(), &body[..]), (ErrorKind::UnexpectedEof, &b"half a bo"[..]));
    server.stderr.line_with("unreachable");
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn a_guest_gets_memory_up_to_the_limit_and_not_more() {
    let server = App::guest().arg(format!("--max-instance-memory={}", 16 * MIB)).start();
    assert_eq!(server.get(&format!("/memory/{}", 12 * MIB)).text(), "ok");
    assert_eq!(server.get(&format!("/memory/{}", 17 * MIB)).status, 500);
    let line = server.stderr.line_with(&format!("GET /memory/{} 500", 17 * MIB));
    assert!(line.contains("memory") && line.contains(&(16 * MIB).to_string()), "{line}");
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn a_request_does_not_see_the_memory_of_the_one_before() {
    let server = App::guest().args(["--max-instances=1", "--threads=1"]).start();
    let mut connection = server.connect();
    for _ in 0..20 {
        // If the heap did not start empty, the second request would exceed the limit.
        assert_eq!(connection.get(&format!("/memory/{}", 40 * MIB)).text(), "ok");
    }
}

#[test]
fn a_request_over_the_limit_of_instances_waits_and_then_gets_503_and_retry_after() {
    let server = App::guest().arg("--max-instances=2").start();
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut held {
        connection.send(get("/pause/6000"));
    }
    let mut connection = server.connect();
    let refused = eventually("both instances are at work", || {
        let start = Instant::now();
        let response = connection.get("/ok");
        (response.status == 503).then(|| (response, start.elapsed()))
    });
    refused.0.problem(503);
    let seconds = refused.0.header("retry-after").expect("a time to come back");
    assert!(seconds.parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{seconds}");
    assert!(refused.1 > Duration::from_secs(1), "only after {:?}", refused.1);
    server.stderr.line_with("GET /ok 503");
    for connection in &mut held {
        assert_eq!(connection.response().text(), "ok");
    }
    assert_eq!(connection.get("/ok").text(), "ok");
}

#[test]
fn a_request_that_waits_gets_the_next_instance() {
    let server = App::guest().arg("--max-instances=1").start();
    let mut first = server.connect();
    let mut second = server.connect();
    first.send(get("/pause/800"));
    second.send(get("/pause/800"));
    assert_eq!((first.response().text(), second.response().text()), ("ok", "ok"));
}

#[test]
fn requests_with_a_body_leave_a_quarter_of_the_instances_to_others() {
    let server = App::guest().arg("--max-instances=4").start();
    let mut held: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for connection in &mut held {
        connection.send("POST /pause/6000 HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nx");
    }
    // Three of them run; the fourth waits for one of these, although there is a fourth instance.
    assert_eq!(server.get("/ok").text(), "ok");
    let mut statuses = held.iter_mut().map(|connection| connection.response().status).collect::<Vec<_>>();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 503]);
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn an_idle_connection_makes_room_for_another() {
    let server = App::guest().args(["--max-connections=3", "--threads=1"]).start();
    let mut idle: Vec<_> = (0..10).map(|_| server.connect()).collect();
    assert_eq!(server.get("/ok").text(), "ok");
    let mut newest = server.connect();
    assert_eq!(newest.get("/ok").text(), "ok");
    assert_eq!(idle[0].rest(), b"", "the most idle one is closed");
    assert_eq!(newest.get("/ok").text(), "ok");
}

#[test]
fn the_limit_of_open_files_is_raised_for_the_connections() {
    let server = App::guest().first("ulimit -Sn 100").arg("--max-connections=500").start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("our own child");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("it has this limit");
    assert_eq!(files.split_whitespace().nth(3), Some("564"), "{files}");
}

#[test]
fn fewer_files_than_connections_are_reported() {
    let server = App::guest().first("ulimit -n 100").arg("--max-connections=500").start();
    assert!(server.stderr.line_with("open files").contains("at most 36 connections, not 500"));
}

#[test]
fn limits_that_the_memory_does_not_hold_are_reported() {
    let server = App::guest().arg("--max-connections=400000000").start();
    assert!(server.stderr.line_with("memory limit").contains("400000000 connections may take"));
}

#[test]
fn an_instance_that_the_memory_does_not_hold_is_refused() {
    let finished = App::guest().arg(format!("--max-instance-memory={}", u64::MAX)).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("expected bytes below the memory limit"), "{finished:?}");
}

#[test]
fn a_guest_with_too_many_resources_fails() {
    let server = App::guest().start();
    assert_eq!(server.get("/resources/500").text(), "ok");
    assert_eq!(server.get("/resources/2000").status, 500);
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn refusals_that_repeat_are_one_line_a_second_with_their_number() {
    const REFUSED: usize = 300;
    let server = App::guest().args(["--max-instances=1", "--request-timeout=60"]).start();
    let mut held = server.connect();
    held.send(get("/wait"));
    let mut first = server.connect();
    eventually("the instance is at work", || (first.get("/ok").status == 503).then_some(()));
    let start = Instant::now();
    // One of them waits for the instance, the others have no place to wait.
    let mut refused: Vec<_> = (0..REFUSED).map(|_| server.connect()).collect();
    for connection in &mut refused {
        connection.send(get("/ok"));
    }
    for connection in &mut refused {
        connection.response().problem(503);
    }
    // With the space: an address may have 503 in its port.
    let about_503 = || server.stderr.lines().into_iter().filter(|line| line.contains(" 503")).collect::<Vec<_>>();
    // The first one has a line of its own, and each second one more tells of those that came within it.
    let told = |line: &String| line.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(1_usize);
    eventually("all refusals are told", || (about_503().iter().map(told).sum::<usize>() > REFUSED).then_some(()));
    let lines = about_503().len() as u64;
    // One before the start.
    assert!(lines <= start.elapsed().as_secs() + 2, "{lines} lines in {:?}:\n{}", start.elapsed(), server.stderr);
}

#[test]
fn only_requests_whose_guest_traps_fail() {
    let server = App::guest().start();
    thread::scope(|scope| {
        for client in 0..32 {
            let mut connection = server.connect();
            scope.spawn(move || {
                for number in client * 100..client * 100 + 100 {
                    let response = connection.get(&format!("/one-in-ten/{number}"));
                    let expected = if number % 10 == 0 { (500, String::new()) } else { (200, number.to_string()) };
                    assert_eq!((response.status, response.text().to_owned()), expected);
                }
            });
        }
    });
}
