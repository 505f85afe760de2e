//! Slow, greedy and absent clients, each kind over each protocol: whatever they do, somebody else gets a response.

mod clients;
mod frames;
mod patience;
mod probe;
mod siege;
mod soak;

use std::env;
use std::thread;
use std::time::Duration;

use clients::{Hostile, Kind, Target, Wire};
use probe::{Probe, SOON};
use test_support::tls::Identity;
use test_support::{App, Server};

/// How long the clients of a case go on.
const CASE: Duration = Duration::from_secs(5);

/// Bad clients of a case: more than there are instances, and more than there are files.
const CLIENTS: usize = 180;

/// Instances of the server.
const INSTANCES: usize = 8;

/// Files that the server may open, 96 of which can be connections.
const FILES: &str = "ulimit -n 160";

/// Runs a server that has few instances and few files, with bad clients of one kind over each of `wires`. A well-behaved client asks all
/// the time, and each time gets its 200 soon. Afterwards all instances are free.
#[track_caller]
fn assert_serves_others(kind: Kind, wires: &[Wire]) {
    thread::scope(|scope| {
        for &wire in wires {
            scope.spawn(move || {
                let identity = wire.is_tls().then(Identity::generate);
                let app = App::shipped().first(FILES).arg(format!("--max-instances={INSTANCES}"));
                let (_server, target) = start(app, identity, wire);
                let fail = |late| panic!("{kind:?} {wire:?}: {late}");
                let hostile = Hostile::start(kind, target.clone(), CLIENTS);
                let slowest = Probe::new(&target).all_the_time(CASE).unwrap_or_else(fail);
                drop(hostile);
                let back = Probe::new(&target).all_at_once(INSTANCES, SOON).unwrap_or_else(fail);
                eprintln!("{kind:?} {wire:?}: slowest 200 after {slowest:?}, all instances free after {back:?}");
            });
        }
    });
}

/// Starts a server; also what a client has to know of it.
fn start(app: App, identity: Option<Identity>, wire: Wire) -> (Server, Target) {
    let app = match &identity {
        Some(identity) => app.with_tls(identity),
        None => app,
    };
    let server = app.start();
    let target = Target::new(server.address(), wire, identity);
    (server, target)
}

/// A number that a person may set for a test that takes minutes.
fn setting(name: &str, default: u64) -> u64 {
    env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("invalid {name} {text:?}: expected a number")))
}

#[test]
fn clients_that_take_nothing() {
    assert_serves_others(Kind::TakesNothing, &Wire::ALL);
}

#[test]
fn clients_that_take_none_of_many_small_responses() {
    assert_serves_others(Kind::Pipelines, &[Wire::Http1, Wire::Http1Tls]);
}

#[test]
fn clients_that_take_a_byte_now_and_then() {
    assert_serves_others(Kind::TakesSlowly, &Wire::ALL);
}

#[test]
fn clients_that_send_a_byte_now_and_then() {
    assert_serves_others(Kind::SendsSlowly, &Wire::ALL);
}

#[test]
fn clients_that_only_connect() {
    assert_serves_others(Kind::Idle, &Wire::ALL);
}

#[test]
fn clients_that_do_not_finish_their_head() {
    assert_serves_others(Kind::HalfHead, &Wire::ALL);
}

#[test]
fn clients_that_reset_the_connection_after_their_request() {
    assert_serves_others(Kind::Resets, &Wire::ALL);
}

#[test]
fn clients_that_close_the_connection_after_their_request() {
    assert_serves_others(Kind::Closes, &Wire::ALL);
}

#[test]
fn clients_that_flood_http_2_with_frames() {
    for kind in [Kind::Pings, Kind::Settings, Kind::RapidResets, Kind::Continuations, Kind::EmptyData] {
        assert_serves_others(kind, &[Wire::Http2, Wire::Http2Tls]);
    }
}
