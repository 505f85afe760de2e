//! The runtime's memory stays small: with large bodies, with clients that do not read, and after many requests.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use test_support::{App, Connection, Framing, Server, eventually};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The most memory that the runtime may take.
const LIMIT: u64 = 100 * MIB;

/// A body of any length whose bytes depend on their place, so that a lost, doubled or swapped piece is found.
struct Pattern(Vec<u8>);

impl Pattern {
    fn new() -> Self {
        // The period is a prime number: no buffer's size is a multiple of it.
        Self((0..65_521_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect())
    }

    /// The bytes from that place on, up to the next repetition.
    fn at(&self, place: u64) -> &[u8] {
        &self.0[(place % self.0.len() as u64) as usize..]
    }

    fn send(&self, socket: &mut TcpStream, size: u64) {
        let mut sent = 0;
        while sent < size {
            let piece = self.at(sent);
            let piece = &piece[..piece.len().min((size - sent) as usize)];
            socket.write_all(piece).expect("the server takes what is sent");
            sent += piece.len() as u64;
        }
    }

    /// Reads that many bytes of a body and asserts that they are this one's first.
    #[track_caller]
    fn expect(&self, connection: &mut Connection, size: u64) {
        let mut place = 0;
        let check = |mut piece: &[u8]| {
            while !piece.is_empty() {
                let expected = self.at(place);
                let (checked, rest) = piece.split_at(piece.len().min(expected.len()));
                assert!(checked == &expected[..checked.len()], "other bytes after {place}");
                place += checked.len() as u64;
                piece = rest;
            }
        };
        connection.body(Framing::Length(size), check).expect("a whole body");
        assert_eq!(place, size);
    }
}

/// Begins a request to echo a body of that size.
fn echo(server: &Server, size: u64) -> Connection {
    let mut connection = server.connect();
    connection.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n"));
    connection
}

#[test]
fn a_gigabyte_comes_back_through_the_echo() {
    let server = App::shipped().start();
    let mut connection = echo(&server, GIB);
    let mut socket = connection.socket();
    let pattern = Pattern::new();
    thread::scope(|scope| {
        scope.spawn(|| pattern.send(&mut socket, GIB));
        assert_eq!(connection.head().framing(), Framing::Length(GIB));
        pattern.expect(&mut connection, GIB);
    });
    let peak = server.memory().peak;
    assert!(peak < LIMIT, "{} MiB", peak / MIB);
    assert!(server.stdout.line_with("/echo").contains(&GIB.to_string()));
}

#[test]
fn the_runtime_stops_reading_from_a_client_that_does_not_read() {
    // The buffers of both sockets in both directions, and 16 MiB for the runtime.
    let buffered = 2 * (kernel_buffer("tcp_rmem") + kernel_buffer("tcp_wmem")) + 16 * MIB;
    let server = App::shipped().start();
    let mut connection = echo(&server, GIB);
    let mut socket = connection.socket();
    socket.set_write_timeout(Some(Duration::from_millis(300))).expect("a valid time");
    let pattern = Pattern::new();
    let mut sent = 0;
    let refused = loop {
        match socket.write(pattern.at(sent)) {
            Ok(written) => sent += written as u64,
            Err(error) => break error,
        }
        assert!(sent < buffered, "{sent} bytes were taken though none was read");
    };
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    let resident = server.memory().resident;
    assert!(resident < LIMIT, "{} MiB", resident / MIB);
    assert_eq!(server.get("/healthz").status, 200, "others go on");
    assert_eq!(connection.head().status, 200);
    pattern.expect(&mut connection, sent);
}

/// The largest buffer that the kernel has for one direction of a socket.
fn kernel_buffer(name: &str) -> u64 {
    let sizes = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).expect("Linux tells its limits");
    sizes.split_whitespace().last().and_then(|most| most.parse().ok()).expect("minimum, default and maximum")
}

#[test]
fn an_upload_that_breaks_off_frees_its_instance() {
    // The check at the end needs all four instances, so one that was not freed is missed.
    let server = App::shipped().args(["--max-instances=4", "--read-timeout=5"]).start();
    for _ in 0..20 {
        let mut connection = echo(&server, GIB);
        connection.send([b'x'; 100_000]);
        assert_eq!(connection.head().status, 200);
    }
    eventually("all instances are free again", || {
        let mut connections: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for connection in &mut connections {
            connection.send("GET /delay/0.05 HTTP/1.1\r\nHost: test\r\n\r\n");
        }
        connections.iter_mut().all(|connection| connection.response().status == 200).then_some(())
    });
}

/// Sends that many requests, pipelined by the hundred, and returns the resident memory after them.
fn resident_after(server: &Server, requests: usize) -> u64 {
    const BATCH: usize = 100;
    let mut connection = server.connect();
    let batch = "GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: test\r\nX-A: 1\r\n\r\n".repeat(BATCH);
    for _ in 0..requests / BATCH {
        connection.send(&batch);
        for _ in 0..BATCH {
            assert_eq!(connection.response().status, 200);
        }
    }
    server.memory().resident
}

/// Asserts that memory does not grow in `more` requests after `first` requests by more than 5 % and 1 MiB, to which allocators
/// round.
fn assert_flat(first: usize, more: usize) {
    let server = App::shipped().args(["--variable=log=json:warn"]).start();
    let before = resident_after(&server, first);
    let after = resident_after(&server, more);
    assert!(after <= before + before / 20 + MIB, "{before} bytes after {first} requests, {after} after {more} more");
    assert!(after < 40 * MIB, "{} MiB", after / MIB);
}

#[test]
fn memory_does_not_grow_with_the_number_of_requests() {
    assert_flat(10_000, 30_000);
}

#[test]
#[ignore = "takes minutes"]
fn memory_does_not_grow_in_a_million_requests() {
    assert_flat(10_000, 1_000_000);
}
