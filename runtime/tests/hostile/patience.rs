//! A client that makes the server wait loses its connection, also when nobody else needs what it holds.

use std::io;
use std::time::Duration;

use test_support::App;
use test_support::tls::Identity;
use tokio::time::timeout;

use crate::clients::{Kind, Wire, misbehave};
use crate::start;

/// The patience of the server, and how long a client has to be let go on if it is patient enough.
const PATIENCE: &str = "--read-timeout=1.5";
const LONG: Duration = Duration::from_secs(5);

/// Far above what it takes to end a connection.
const LATE: Duration = Duration::from_secs(20);

/// What a client of that kind gets: the end of its connection, or nothing within `limit`.
async fn end(kind: Kind, wire: Wire, arguments: &[&str], limit: Duration) -> Option<io::Result<()>> {
    let identity = wire.is_tls().then(Identity::generate);
    let (_server, target) = start(App::shipped().args(arguments), identity, wire);
    timeout(limit, misbehave(kind, &target)).await.ok()
}

async fn assert_ends(kind: Kind, wires: &[Wire]) {
    for &wire in wires {
        assert!(end(kind, wire, &[PATIENCE], LATE).await.is_some(), "{kind:?} {wire:?} goes on");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_connection() {
    assert_ends(Kind::TakesNothing, &Wire::ALL).await;
}

#[tokio::test]
async fn a_client_that_takes_none_of_many_small_responses_loses_its_connection() {
    assert_ends(Kind::Pipelines, &[Wire::Http1, Wire::Http1Tls]).await;
}

#[tokio::test]
async fn a_client_that_takes_a_byte_now_and_then_loses_its_connection() {
    assert_ends(Kind::TakesSlowly, &Wire::ALL).await;
}

#[tokio::test]
async fn a_client_that_sends_a_byte_now_and_then_loses_its_connection() {
    assert_ends(Kind::SendsSlowly, &Wire::ALL).await;
}

#[tokio::test]
async fn an_idle_connection_ends_also_if_it_responds_to_pings() {
    assert_ends(Kind::Idle, &Wire::ALL).await;
}

#[tokio::test]
async fn a_head_that_goes_on_for_ever_ends() {
    assert_ends(Kind::HalfHead, &Wire::ALL).await;
}

#[tokio::test]
async fn without_a_least_rate_a_byte_now_and_then_is_enough() {
    for wire in Wire::ALL {
        let ended = end(Kind::SendsSlowly, wire, &[PATIENCE, "--min-rate=0"], LONG).await;
        assert!(ended.is_none(), "{wire:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_client_at_the_least_rate_may_go_on() {
    // A byte each 0.4 s, and a busy machine.
    let ended = end(Kind::SendsSlowly, Wire::Http1, &[PATIENCE, "--min-rate=1"], LONG).await;
    assert!(ended.is_none(), "{ended:?}");
}
