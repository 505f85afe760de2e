//! A thousand hostile clients of each kind, for a minute, against a server with the memory of a pod.
//!
//! `cargo xtask test -- --ignored --nocapture a_thousand_hostile_clients` runs it and prints a table. It needs root, for a control group.
//! `HOSTILE_SECONDS` sets another time, `HOSTILE_CLIENTS` another number, `HOSTILE_KINDS` some of the kinds.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use test_support::tls::Identity;
use test_support::{App, eventually};

use crate::clients::{Hostile, Kind, Wire};
use crate::probe::Probe;
use crate::{setting, start};

/// The memory limit of `manifests/base`.
const MEMORY: u64 = 256 << 20;

/// Within this time after the last bad client everything is as before.
const NORMAL: Duration = Duration::from_secs(35);

/// Requests that run at one time when everything is as before.
const AT_ONCE: usize = 100;

/// The kinds, and what they speak.
pub const CASES: [(Kind, Wire); 18] = [
    (Kind::TakesNothing, Wire::Http1),
    (Kind::TakesNothing, Wire::Http1Tls),
    (Kind::TakesNothing, Wire::Http2),
    (Kind::Pipelines, Wire::Http1),
    (Kind::TakesSlowly, Wire::Http1),
    (Kind::TakesSlowly, Wire::Http2),
    (Kind::SendsSlowly, Wire::Http1),
    (Kind::SendsSlowly, Wire::Http2),
    (Kind::Idle, Wire::Http1),
    (Kind::Idle, Wire::Http2),
    (Kind::HalfHead, Wire::Http1),
    (Kind::Resets, Wire::Http1),
    (Kind::Closes, Wire::Http1),
    (Kind::Pings, Wire::Http2),
    (Kind::Settings, Wire::Http2),
    (Kind::RapidResets, Wire::Http2),
    (Kind::Continuations, Wire::Http2),
    (Kind::EmptyData, Wire::Http2),
];

/// A control group with a memory limit; removed when it is dropped.
struct Group {
    folder: PathBuf,
    version: u8,
}

impl Group {
    fn new() -> Self {
        let root = PathBuf::from("/sys/fs/cgroup");
        let version = if root.join("cgroup.controllers").is_file() { 2 } else { 1 };
        let parent = if version == 2 { root } else { root.join("memory") };
        let group = Self { folder: parent.join(format!("httpserver-hostile-{}", process::id())), version };
        fs::create_dir(&group.folder).expect("root may make a control group");
        let file = group.folder.join(if version == 2 { "memory.max" } else { "memory.limit_in_bytes" });
        fs::write(file, MEMORY.to_string()).expect("a control group takes a limit");
        group
    }

    /// The most memory that it has had, bytes.
    fn peak(&self) -> u64 {
        let file = if self.version == 2 { "memory.peak" } else { "memory.max_usage_in_bytes" };
        let text = fs::read_to_string(self.folder.join(file)).expect("the kernel counts");
        text.trim().parse().expect("a number")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel needs a moment for a process that has just ended.
        eventually("the control group is empty", || fs::remove_dir(&self.folder).ok());
    }
}

/// One kind. Returns a row of the table, or what went wrong.
fn besiege(kind: Kind, wire: Wire, clients: usize, time: Duration) -> Result<String, String> {
    let group = Group::new();
    let identity = wire.is_tls().then(Identity::generate);
    let join = format!("echo $$ > {}", group.folder.join("cgroup.procs").display());
    let (mut server, target) = start(App::shipped().first(join).arg("--variable=log=json:error"), identity, wire);
    let hostile = Hostile::start(kind, target.clone(), clients);
    let slowest = Probe::new(&target).all_the_time(time);
    let resident = server.memory().resident;
    drop(hostile);
    let end = Instant::now();
    let normal = Probe::new(&target).all_at_once(AT_ONCE, NORMAL).map(|_| end.elapsed());
    let peak = group.peak() >> 20;
    if let Some(end) = server.ended() {
        return Err(format!("the server has ended: {end}, peak {peak} MiB"));
    }
    drop(server);
    let (slowest, normal) = (slowest?, normal?);
    Ok(format!(
        "{:>6.2} s {:>7.2} s {:>6} MiB {peak:>6} MiB",
        slowest.as_secs_f64(),
        normal.as_secs_f64(),
        resident >> 20
    ))
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_hostile_clients_of_each_kind_stop_nobody() {
    let (clients, seconds) = (setting("HOSTILE_CLIENTS", 1000) as usize, setting("HOSTILE_SECONDS", 60));
    let wanted = env::var("HOSTILE_KINDS").unwrap_or_default();
    println!("{clients} clients of each kind, {seconds} s, {} MiB", MEMORY >> 20);
    println!("{:<15} {:<9} {:>8} {:>9} {:>10} {:>10}", "kind", "protocol", "slowest", "normal", "resident", "peak");
    let mut failed = Vec::new();
    for (kind, wire) in CASES {
        let name = format!("{kind:?}");
        if !wanted.is_empty() && !wanted.split(',').any(|wanted| wanted == name) {
            continue;
        }
        match besiege(kind, wire, clients, Duration::from_secs(seconds)) {
            Ok(row) => println!("{name:<15} {:<9} {row}", format!("{wire:?}")),
            Err(reason) => {
                println!("{name:<15} {:<9} FAILED {reason}", format!("{wire:?}"));
                failed.push(format!("{name} {wire:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
