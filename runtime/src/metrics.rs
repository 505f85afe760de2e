//! The host's own metrics: counted by each thread for itself, added up when a scraper asks, and served on an address of their own.
//!
//! A request costs a few additions in memory that its thread alone writes to. What the server knows anyway, such as the instances at
//! work, is not counted but looked up.

mod accept;
mod endpoint;
mod exemplars;
mod exposition;
mod families;
mod histogram;
mod labels;
mod listener;
mod otlp;
mod process;
mod series;
mod shard;
mod snapshot;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use tokio_util::sync::CancellationToken;

use crate::guest::Guest;
use crate::observation::Observer;
pub(crate) use labels::{OTHER, method_name, version_name};
pub(crate) use listener::Listener;
use process::Process;
use shard::Shard;
use snapshot::Snapshot;

/// Where all figures are. It lives as long as the process.
pub(crate) struct Metrics {
    shards: Mutex<Vec<&'static Shard>>,
    guest: Arc<Guest>,
    /// Connections that may be open at one time.
    connections: u64,
    draining: CancellationToken,
    /// None if the kernel does not tell.
    process: Option<Process>,
}

impl Metrics {
    /// For a server that runs `guest`, with at most that many `connections`. To be called before the process gives up its files.
    pub(crate) fn new(guest: Arc<Guest>, connections: u64, draining: CancellationToken) -> &'static Self {
        let process = Process::open().ok();
        Box::leak(Box::new(Self { shards: Mutex::default(), guest, connections, draining, process }))
    }

    /// What counts the requests. Each thread has one of its own.
    pub(crate) fn observer(&'static self) -> &'static dyn Observer {
        self.add_shard()
    }

    fn add_shard(&'static self) -> &'static Shard {
        let shard = Box::leak(Box::new(Shard::new(self)));
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push(shard);
        shard
    }

    /// What OpenTelemetry's conventions know of them, with the time since when it is counted. Histograms have buckets that grow with the
    /// value if they are to be `exponential`.
    pub(crate) fn otlp(&self, exponential: bool, begun: SystemTime) -> Vec<Metric> {
        let now = SystemTime::now();
        otlp::Writer { exponential, begun, now }.write(&self.snapshot())
    }

    fn snapshot(&self) -> Snapshot {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Snapshot::take(self, &shards)
    }
}
