//! What the server prints: whole lines in their order, and no request and no drain waits for their reader.

use std::thread;
use std::time::{Duration, Instant};

use test_support::{App, Server, Signal, eventually};

/// The longest time that a drain of an idle server may take if nobody reads what it prints: until it gives up, and some for a machine
/// that is busy.
const GIVES_UP: Duration = Duration::from_secs(5);

/// Sends that many requests, each of which makes a line of 1.2 KB in the access log.
fn send_requests(server: &Server, number: usize) {
    let path = format!("/{}", "x".repeat(1000));
    let mut connection = server.connect();
    for _ in 0..number {
        assert_eq!(connection.get(&path).status, 200);
    }
}

/// How many lines the server says that it has dropped.
fn dropped(lines: &[String]) -> usize {
    let told =
        lines.iter().filter(|line| line.contains("lines were dropped: the reader of standard output did not keep up"));
    let number = |line: &String| line.strip_prefix("httpserver: ")?.split(' ').next()?.parse::<usize>().ok();
    told.map(|line| number(line).expect("a number")).sum()
}

#[test]
fn a_reader_that_stands_still_stops_no_request_and_the_log_says_what_it_lost() {
    // The queue has room for 850 of these lines, a pipe for 55.
    const REQUESTS: usize = 1500;
    let server = App::shipped().start();
    server.stdout.pause(true);
    send_requests(&server, REQUESTS);
    assert_eq!(server.get("/.well-known/spin/health").status, 200);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(dropped(&server.stderr.lines()), 0, "there is no room yet");

    server.stdout.pause(false);
    eventually("each line is printed or counted", || {
        let lines = server.stdout.lines();
        let dropped = dropped(&server.stderr.lines());
        (dropped > 0 && lines.len() + dropped == REQUESTS).then_some(())
    });
    send_requests(&server, 1);
    eventually("the next line comes", || (server.stdout.lines().last()?.len() > 1000).then_some(()));
    for line in server.stdout.lines() {
        assert!(line.starts_with("{\"time\"") && line.ends_with('}'), "{line}");
    }
}

#[test]
fn a_drain_ends_in_time_although_nobody_reads() {
    for streams in ["stdout", "both"] {
        let mut server = App::guest().arg("--drain-timeout=30").start();
        server.stdout.pause(true);
        server.stderr.pause(streams == "both");
        let mut connection = server.connect();
        // So many lines of 18 bytes do not fit into a pipe and the buffer of its reader.
        for _ in 0..6000 {
            assert_eq!(connection.get("/print").status, 200);
        }
        drop(connection);
        let start = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0), "{streams}");
        assert!(start.elapsed() < GIVES_UP, "{streams}: after {:?}", start.elapsed());
        server.stderr.pause(false);
        if streams == "stdout" {
            server.stderr.line_with("lines are lost: the reader of standard output stands still");
        }
    }
}

#[test]
fn at_a_normal_end_no_line_is_lost() {
    const REQUESTS: usize = 500;
    let mut server = App::shipped().start();
    // The queue has lines when the signal comes.
    server.stdout.pause(true);
    send_requests(&server, REQUESTS);
    server.signal(Signal::TERM);
    server.stdout.pause(false);
    assert_eq!(server.wait().code(), Some(0));
    server.stdout.wait_for(|lines| (lines.len() == REQUESTS).then_some(())).expect("all lines");
}

#[test]
fn lines_that_guests_write_in_pieces_stay_whole() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 20;
    let server = App::guest().start();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut connection = server.connect();
            scope.spawn(move || {
                for number in 0..REQUESTS {
                    assert_eq!(connection.get(&format!("/print-pieces/{client}-{number}")).text(), "ok");
                }
            });
        }
    });
    let all = server.stdout.wait_for(|lines| (lines.len() == CLIENTS * REQUESTS).then(|| lines.to_vec()));
    let mut lines = all.unwrap_or_else(|| panic!("other lines than expected:\n{}", server.stdout));
    for client in 0..CLIENTS {
        let own = |line: &mut String| line.starts_with(&format!("pieces of {client}-"));
        let own: Vec<_> = lines.extract_if(.., own).collect();
        let expected: Vec<_> = (0..REQUESTS).map(|number| format!("pieces of {client}-{number}")).collect();
        assert_eq!(own, expected);
    }
}

#[test]
fn a_request_cannot_put_control_characters_into_the_log() {
    let server = App::guest().start();
    // U+009B is the same to a terminal as ESC and `[`; for some readers U+2028 ends a line.
    assert_eq!(server.get("/one-in-ten/\u{9b}31m\u{2028}httpserver: forged 0").status, 400, "a space ends the target");
    assert_eq!(server.get("/one-in-ten/\u{9b}31m\u{2028}forged0").status, 500);
    let line = server.stderr.line_with("forged0");
    assert!(line.contains("GET /one-in-ten/\\u{9b}31m\\u{2028}forged0 500: "), "{line}");
}
