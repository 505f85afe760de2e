//! What one thread counts. No other thread writes here, so threads share no cache line for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::request::Parts;

use super::Metrics;
use super::histogram::{Histogram, INSTANTIATION};
use super::labels::{ActiveLabels, RequestLabels};
use super::series::Table;
use crate::failure::FailureKind;
use crate::observation::{Exchange, Observer};
use crate::refusal::Refusal;

/// The counters of one thread. Aligned so that two threads never share a cache line; processors fetch two lines at a time.
#[repr(align(128))]
pub(super) struct Shard {
    metrics: &'static Metrics,
    pub(super) requests: Table,
    pub(super) instantiations: Histogram,
    begun: [AtomicU64; ActiveLabels::COUNT],
    finished: [AtomicU64; ActiveLabels::COUNT],
    refused: [AtomicU64; Refusal::ALL.len()],
    failed: [AtomicU64; FailureKind::ALL.len()],
    accepted: AtomicU64,
    closed: AtomicU64,
}

impl Shard {
    pub(super) fn new(metrics: &'static Metrics) -> Self {
        Self {
            metrics,
            requests: Table::new(),
            instantiations: Histogram::new(&INSTANTIATION),
            begun: [const { AtomicU64::new(0) }; _],
            finished: [const { AtomicU64::new(0) }; _],
            refused: [const { AtomicU64::new(0) }; _],
            failed: [const { AtomicU64::new(0) }; _],
            accepted: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    pub(super) fn begun_requests(&self, labels: ActiveLabels) -> u64 {
        self.begun[labels.index()].load(Ordering::Acquire)
    }

    pub(super) fn finished_requests(&self, labels: ActiveLabels) -> u64 {
        self.finished[labels.index()].load(Ordering::Acquire)
    }

    pub(super) fn refusals(&self, refusal: Refusal) -> u64 {
        self.refused[refusal as usize].load(Ordering::Acquire)
    }

    pub(super) fn failures(&self, kind: FailureKind) -> u64 {
        self.failed[kind as usize].load(Ordering::Acquire)
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    pub(super) fn closed(&self) -> u64 {
        self.closed.load(Ordering::Acquire)
    }
}

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Release);
}

impl Observer for Shard {
    fn for_thread(&'static self) -> &'static dyn Observer {
        self.metrics.add_shard()
    }

    fn begun(&self, exchange: &mut Exchange, _head: &mut Parts) {
        add_one(&self.begun[ActiveLabels::of(exchange).index()]);
    }

    fn finished(&self, exchange: &mut Exchange) {
        let labels = RequestLabels::of(exchange);
        self.requests.observe(labels, exchange.begun.elapsed(), exchange.trace);
        add_one(&self.finished[labels.active.index()]);
    }

    fn refused(&self, refusal: Refusal) {
        add_one(&self.refused[refusal as usize]);
    }

    fn instantiated(&self, took: Duration) {
        self.instantiations.observe(took);
    }

    fn failed(&self, kind: FailureKind) {
        add_one(&self.failed[kind as usize]);
    }

    fn connected(&self) {
        add_one(&self.accepted);
    }

    fn disconnected(&self) {
        add_one(&self.closed);
    }
}
