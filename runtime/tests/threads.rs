//! A thread that stands still, or has much to do, is not in the way of the others.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use test_support::http2::Http2;
use test_support::{App, Server, Signal, eventually};
use tokio::net::TcpStream;

/// New connections of a test. If each went to any of two threads, one in a million runs would not notice.
const CONNECTIONS: usize = 20;

/// Far above what it takes to respond on a busy machine, and less than it takes to wait for a thread.
const SOON: Duration = Duration::from_secs(5);

/// Threads of a server that are stopped. A debugger can stop a single thread, as nothing else can. A process that ends takes it along.
struct Stopped(Vec<Pid>);

impl Stopped {
    fn new(threads: Vec<Pid>) -> Self {
        let stopped = Self(threads);
        for &thread in &stopped.0 {
            ptrace::seize(thread, ptrace::Options::empty()).expect("the process is our own child");
            ptrace::interrupt(thread).expect("it was seized");
            waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
        }
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for &thread in &self.0 {
            // It fails if the thread has ended.
            ptrace::detach(thread, None).ok();
        }
    }
}

/// How many threads serve.
const THREADS: usize = 2;

fn start() -> Server {
    App::guest().args([format!("--threads={THREADS}"), "--drain-timeout=0.3".to_owned()]).start()
}

/// The threads that serve, all of which wait for connections: so none is stopped while it holds a lock that others need.
fn serving_threads(server: &Server) -> Vec<Pid> {
    let has = |thread: &Path, file: &str, text: &str| {
        fs::read_to_string(thread.join(file)).is_ok_and(|content| content.contains(text))
    };
    let number = |thread: &Path| thread.file_name()?.to_str()?.parse().ok().map(Pid::from_raw);
    eventually("all threads wait for connections", || {
        let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the process runs");
        let threads = threads.map(|thread| thread.expect("proc(5)").path());
        let waiting = threads.filter(|thread| has(thread, "comm", "httpserver") && has(thread, "wchan", "poll"));
        let waiting: Vec<_> = waiting.map(|thread| number(&thread).expect("threads have numbers")).collect();
        (waiting.len() == THREADS).then_some(waiting)
    })
}

/// The time until that many new connections, one after the other, had their response.
fn time_of_new_connections(server: &Server) -> Duration {
    let start = Instant::now();
    for _ in 0..CONNECTIONS {
        assert_eq!(server.get("/.well-known/spin/health").status, 200);
    }
    start.elapsed()
}

#[test]
fn a_thread_that_stands_still_takes_no_connection() {
    let server = start();
    let _stuck = Stopped::new(serving_threads(&server)[..1].to_vec());
    let took = time_of_new_connections(&server);
    assert!(took < SOON, "after {took:?}");
}

#[tokio::test]
async fn a_thread_with_much_to_do_leaves_new_connections_to_others() {
    let server = start();
    let client = Http2::open(TcpStream::connect(server.address()).await.expect("the server listens")).await;
    // They are on one thread. Each computes for 20 ms before the next one has its turn.
    for _ in 0..80 {
        let client = client.clone();
        tokio::spawn(async move { client.get("http://test/loop").await });
    }
    // It comes after them on their connection, so they have begun.
    client.get("http://test/.well-known/spin/health").await.expect("a response");
    let took = time_of_new_connections(&server);
    assert!(took < SOON, "after {took:?}");
}

#[test]
fn a_thread_that_stands_still_does_not_outlast_the_drain_timeout() {
    let mut server = start();
    let stuck = Stopped::new(serving_threads(&server));
    let start = Instant::now();
    server.signal(Signal::TERM);
    let ended = eventually("the server ends", || {
        // A process has ended when its debugger knows that of each thread.
        for &thread in &stuck.0 {
            waitpid(thread, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)).ok();
        }
        server.ended()
    });
    assert_eq!(ended.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
    server.stderr.line_with("did not end within 300ms");
}
