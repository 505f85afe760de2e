//! All figures at one time, those of the threads added up.

use std::collections::BTreeMap;

use super::Metrics;
use super::histogram::{Counts, INSTANTIATION, REQUEST};
use super::labels::{ActiveLabels, RequestLabels};
use super::process::Usage;
use super::series::Exemplar;
use super::shard::Shard;
use crate::failure::FailureKind;
use crate::guest::Figures;
use crate::log;
use crate::refusal::Refusal;

/// What a scrape tells.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) requests: BTreeMap<RequestLabels, Requests>,
    pub(super) overflow: Counts,
    /// Those that run, for all labels with which there was a request.
    pub(super) active: Vec<(ActiveLabels, u64)>,
    pub(super) instantiations: Counts,
    pub(super) refused: [u64; Refusal::ALL.len()],
    pub(super) failed: [u64; FailureKind::ALL.len()],
    pub(super) accepted: u64,
    /// Connections that are open.
    pub(super) open: u64,
    /// Connections that may be open.
    pub(super) connections: u64,
    pub(super) draining: bool,
    pub(super) guest: Figures,
    /// By stream.
    pub(super) dropped_lines: [(&'static str, u64); 2],
    pub(super) process: Option<Usage>,
}

/// The requests of one series.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) durations: Counts,
    /// The newest of each classic bucket.
    pub(super) exemplars: Vec<Option<Exemplar>>,
}

impl Snapshot {
    pub(super) fn take(metrics: &Metrics, shards: &[&Shard]) -> Self {
        let (mut overflow, mut instantiations) = (Counts::new(&REQUEST), Counts::new(&INSTANTIATION));
        let mut requests = BTreeMap::<_, Requests>::new();
        for shard in shards {
            overflow.add(&shard.requests.overflow);
            instantiations.add(&shard.instantiations);
            for series in shard.requests.all() {
                let sum = requests.entry(series.labels).or_insert_with(Requests::new);
                sum.durations.add(&series.durations);
                series.exemplars(&mut sum.exemplars);
            }
        }
        // Closed ones first: a connection that is closed meanwhile was accepted before.
        let closed = sum(shards, Shard::closed);
        let accepted = sum(shards, Shard::accepted);
        Self {
            requests,
            overflow,
            active: ActiveLabels::all().filter_map(|labels| Some((labels, active(shards, labels)?))).collect(),
            instantiations,
            refused: Refusal::ALL.each_ref().map(|&refusal| sum(shards, |shard| shard.refusals(refusal))),
            failed: FailureKind::ALL.each_ref().map(|&kind| sum(shards, |shard| shard.failures(kind))),
            accepted,
            open: accepted.saturating_sub(closed),
            connections: metrics.connections,
            draining: metrics.draining.is_cancelled(),
            guest: metrics.guest.figures(),
            dropped_lines: log::dropped(),
            process: metrics.process.as_ref().and_then(|process| process.usage().ok()),
        }
    }
}

impl Requests {
    fn new() -> Self {
        Self { durations: Counts::new(&REQUEST), exemplars: vec![None; REQUEST.bounds.len() + 1] }
    }
}

/// The requests that run; none if there never was one.
fn active(shards: &[&Shard], labels: ActiveLabels) -> Option<u64> {
    // In this order: a request that ends meanwhile has begun before.
    let finished = sum(shards, |shard| shard.finished_requests(labels));
    let begun = sum(shards, |shard| shard.begun_requests(labels));
    (begun > 0).then(|| begun.saturating_sub(finished))
}

fn sum(shards: &[&Shard], count: impl Fn(&Shard) -> u64) -> u64 {
    shards.iter().map(|shard| count(shard)).sum()
}
