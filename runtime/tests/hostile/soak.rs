//! Load and faults for a long time: a server takes no more than after its first minutes, and its log has each response.
//!
//! `cargo xtask test -- --ignored --nocapture for_a_long_time` runs it and prints a table. `SOAK_MINUTES` sets another time.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::wait::{Patience, poll};
use test_support::{App, Output, Server, eventually};

use crate::clients::{Hostile, Target};
use crate::setting;
use crate::siege::CASES;

/// Hostile clients of each kind.
const HOSTILE: usize = 2;

/// Well-behaved clients of each server.
const CLIENTS: usize = 4;

/// The pause of a client after each response. The load is a part of one core, so that others can use the machine.
const PAUSE: Duration = Duration::from_millis(4);

/// The time from one look to the next, and the number of rows in the table.
const LOOK: Duration = Duration::from_secs(1);
const ROWS: u32 = 15;

/// Of each minute, the log's reader stands still for so many seconds. The queue has room for the lines of ten.
const STANDS_STILL: u64 = 30;

/// What a connection may take, bytes, as in `runtime/src/budget.rs`.
const CONNECTION: u64 = 48 << 10;

/// By how much the mean of the memory may differ from one third of the time to the next, bytes: a fifth of what an idle server has.
const NOISE: u64 = 2 << 20;

/// A server, what is asked of it, and what came of that.
struct Soaked {
    name: &'static str,
    server: Server,
    asks: Vec<Ask>,
    /// Where the lines about responses are, and what they contain.
    log: fn(&Server) -> &Output,
    mark: &'static str,
    /// Responses of which there has to be a line, others, and connections that broke without a response.
    logged: AtomicU64,
    others: AtomicU64,
    broken: AtomicU64,
}

/// A request, and what is expected of the response.
struct Ask {
    head: String,
    status: u16,
    is_logged: bool,
}

/// What was seen of a server so far.
#[derive(Default)]
struct Seen {
    lines: u64,
    dropped: u64,
    looks: Vec<Look>,
}

/// What it took at one time.
#[derive(Clone, Copy)]
struct Look {
    resident: u64,
    files: u64,
    threads: u64,
}

/// Ends the clients, also if the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn get(path: &str, status: u16, is_logged: bool) -> Ask {
    Ask { head: format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"), status, is_logged }
}

impl Soaked {
    /// The component that ships, between clients of each hostile kind.
    fn besieged() -> Self {
        let too_large = format!("GET / HTTP/1.1\r\nHost: test\r\n{}\r\n", "X-A: a\r\n".repeat(200));
        let no_host = "GET / HTTP/1.1\r\n\r\n".to_owned();
        let asks = vec![
            get("/soak", 200, true),
            get("/healthz", 200, false),
            get("/soak?again", 200, true),
            Ask { head: too_large, status: 431, is_logged: false },
            Ask { head: no_host, status: 400, is_logged: false },
        ];
        Self::new("besieged", App::shipped(), asks, |server| &server.stdout, "\"path\":\"/soak")
    }

    /// A guest that fails most of the time, while the log's reader stands still half of the time.
    fn failing() -> Self {
        let failures = ["/trap", "/exit", "/no-response"].map(|path| get(path, 500, true));
        let others = [get("/ok", 200, false), get("/large/200000", 200, false)];
        let asks = failures.into_iter().chain(others).collect();
        Self::new("failing", App::guest(), asks, |server| &server.stderr, " 500: the component failed")
    }

    fn new(name: &'static str, app: App, asks: Vec<Ask>, log: fn(&Server) -> &Output, mark: &'static str) -> Self {
        let (logged, others, broken) = Default::default();
        Self { name, server: app.start(), asks, log, mark, logged, others, broken }
    }

    /// A client that asks until the end.
    fn ask(&self, end: &AtomicBool) {
        let mut connection = None;
        for ask in self.asks.iter().cycle() {
            if end.load(Ordering::Relaxed) {
                return;
            }
            let mut asked = connection.take().unwrap_or_else(|| self.server.connect());
            match asked.send(&ask.head).try_response() {
                Ok(response) => {
                    let (status, line) = (response.status, ask.head.lines().next());
                    assert!([ask.status, 503].contains(&status), "{line:?} got {status}, not {}", ask.status);
                    let is_logged = ask.is_logged && response.status == ask.status;
                    let counter = if is_logged { &self.logged } else { &self.others };
                    counter.fetch_add(1, Ordering::Relaxed);
                    connection = (response.header("connection") != Some("close")).then_some(asked);
                }
                Err(_) => drop(self.broken.fetch_add(1, Ordering::Relaxed)),
            }
            thread::sleep(PAUSE);
        }
    }

    fn look(&self) -> Look {
        let entries = |folder: &str| {
            let entries = fs::read_dir(format!("/proc/{}/{folder}", self.server.pid())).expect("the server runs");
            entries.count() as u64
        };
        Look { resident: self.server.memory().resident, files: entries("fd"), threads: entries("task") }
    }

    /// Counts the lines that came since the last time.
    fn count(&self, seen: &mut Seen) {
        let (output, errors) = (self.server.stdout.take(), self.server.stderr.take());
        seen.lines += output.iter().chain(&errors).filter(|line| line.contains(self.mark)).count() as u64;
        for line in errors.iter().filter(|line| line.contains("lines were dropped")) {
            let number = line.split(' ').nth(1).and_then(|number| number.parse::<u64>().ok());
            seen.dropped += number.unwrap_or_else(|| panic!("no number in {line:?}"));
        }
    }

    /// What has to hold at the end.
    fn check(&self, seen: &Seen, idle: Look) {
        let name = self.name;
        let [logged, broken] = [&self.logged, &self.broken].map(|counter| counter.load(Ordering::Relaxed));
        let Seen { lines, dropped, looks } = seen;
        assert!((logged..=logged + broken).contains(&(lines + dropped)), "{name}: {lines} + {dropped} of {logged}");
        let third = looks.len() / 3;
        let mean = |looks: &[Look], of: fn(&Look) -> u64| looks.iter().map(of).sum::<u64>() / looks.len() as u64;
        let (before, after) = (&looks[third..2 * third], &looks[2 * third..]);
        let (old, new) = (mean(before, |look| look.resident), mean(after, |look| look.resident));
        // A machine that is busy with something else lets connections gather, and the allocator keeps what they had.
        let gathered = looks.iter().map(|look| look.files).max().expect("looks") - mean(before, |look| look.files);
        assert!(new <= old + NOISE + gathered * CONNECTION, "{name}: its memory grows from {old} to {new} bytes");
        let (old, new) = (mean(before, |look| look.files), mean(after, |look| look.files));
        assert!(new <= old + old / 10 + 2, "{name}: its files grow from {old} to {new}");
        assert!(looks.iter().all(|look| look.threads == idle.threads), "{name}: other threads than {}", idle.threads);
        // The last connections end when the server has lost its patience with their clients, 30 s later.
        let mut files = 0;
        let closed = poll(Patience::DAEMON, || {
            files = self.look().files;
            (files <= idle.files).then_some(())
        });
        assert!(closed.is_some(), "{name}: {files} files are open without a client, before there were {}", idle.files);
    }
}

#[test]
#[ignore = "takes half an hour"]
fn memory_files_and_threads_are_the_same_for_a_long_time() {
    let time = Duration::from_secs(60 * setting("SOAK_MINUTES", 30));
    let servers = [Soaked::besieged(), Soaked::failing()];
    let idle = servers.each_ref().map(|soaked| {
        assert_eq!(soaked.server.get("/ok").status, 200);
        soaked.look()
    });
    let mut seen = servers.each_ref().map(|_| Seen::default());
    let target = |wire| Target::new(servers[0].server.address(), wire, None);
    let plain = CASES.into_iter().filter(|(_, wire)| !wire.is_tls());
    let hostile: Vec<_> = plain.map(|(kind, wire)| Hostile::start(kind, target(wire), HOSTILE)).collect();
    println!(
        "{:>8} {:<9} {:>10} {:>6} {:>10} {:>10} {:>6} {:>8}",
        "time", "server", "responses", "broken", "lines", "resident", "files", "threads"
    );
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients = End(&end);
        let mut asking = Vec::new();
        for soaked in &servers {
            asking.extend((0..CLIENTS).map(|_| scope.spawn(|| soaked.ask(&end))));
        }
        let (start, mut row) = (Instant::now(), 1);
        // A client ends before only if it got what it should not.
        while start.elapsed() < time && !asking.iter().any(|client| client.is_finished()) {
            thread::sleep(LOOK);
            let now = start.elapsed();
            let stands_still = now.as_secs() % 60 < STANDS_STILL && now + LOOK < time;
            (servers[1].log)(&servers[1].server).pause(stands_still);
            for (soaked, seen) in servers.iter().zip(&mut seen) {
                soaked.count(seen);
                seen.looks.push(soaked.look());
            }
            if now >= time * row / ROWS {
                row += 1;
                servers.iter().zip(&seen).for_each(|(soaked, seen)| print_row(now, soaked, seen));
            }
        }
        drop(clients);
    });
    drop(hostile);
    for ((soaked, seen), idle) in servers.iter().zip(&mut seen).zip(idle) {
        eventually("the last lines come", || {
            soaked.count(seen);
            (seen.lines + seen.dropped >= soaked.logged.load(Ordering::Relaxed)).then_some(())
        });
        soaked.check(seen, idle);
    }
}

fn print_row(now: Duration, soaked: &Soaked, seen: &Seen) {
    let [logged, others, broken] =
        [&soaked.logged, &soaked.others, &soaked.broken].map(|counter| counter.load(Ordering::Relaxed));
    let Look { resident, files, threads } = seen.looks.last().expect("a row comes after a look");
    println!(
        "{:>6} s {:<9} {:>10} {broken:>6} {:>10} {:>6} KiB {files:>6} {threads:>8}",
        now.as_secs(),
        soaked.name,
        logged + others,
        seen.lines + seen.dropped,
        resident >> 10
    );
}
