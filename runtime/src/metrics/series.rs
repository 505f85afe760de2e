//! The series of the request metrics on one thread: a table that only this thread fills, and every thread can read at any time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, SystemTime};

use super::histogram::{Histogram, REQUEST};
use super::labels::RequestLabels;
use crate::observation::Trace;

/// The most label sets on a thread. An application has some dozens; a client that invents more, for example with all statuses of
/// `/status/{code}`, must not fill the memory with them. Each takes 3 KiB, so it is 24 MiB on a machine with 64 cores.
const MOST: usize = 128;

/// The series of one thread.
#[derive(Debug)]
pub(super) struct Table {
    /// By the hash of their labels; the next free place if there is another one already.
    slots: Box<[OnceLock<Box<Series>>]>,
    /// What found no place.
    pub(super) overflow: Histogram,
}

/// A series of `http_server_request_duration_seconds`.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: RequestLabels,
    pub(super) durations: Histogram,
    /// The last request of a recorded trace in each classic bucket.
    exemplars: Mutex<Vec<Option<Exemplar>>>,
}

/// A request by which a trace can be found that has such requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exemplar {
    pub(super) trace: Trace,
    pub(super) duration: Duration,
    pub(super) ended: SystemTime,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { slots: (0..MOST).map(|_| OnceLock::new()).collect(), overflow: Histogram::new(&REQUEST) }
    }

    /// Counts a request.
    pub(super) fn observe(&self, labels: RequestLabels, duration: Duration, trace: Option<Trace>) {
        let Some(series) = self.series(labels) else { return self.overflow.observe(duration) };
        series.durations.observe(duration);
        if let Some(trace) = trace.filter(|trace| trace.sampled) {
            series.keep(Exemplar { trace, duration, ended: SystemTime::now() });
        }
    }

    fn series(&self, labels: RequestLabels) -> Option<&Series> {
        let mut hasher = DefaultHasher::new();
        labels.hash(&mut hasher);
        let first = hasher.finish() as usize;
        (0..MOST).find_map(|step| {
            let slot = &self.slots[first.wrapping_add(step) % MOST];
            let series = slot.get_or_init(|| Box::new(Series::new(labels)));
            (series.labels == labels).then_some(&**series)
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Series> {
        self.slots.iter().filter_map(|slot| slot.get().map(|series| &**series))
    }
}

impl Series {
    fn new(labels: RequestLabels) -> Self {
        Self { labels, durations: Histogram::new(&REQUEST), exemplars: Mutex::default() }
    }

    fn keep(&self, exemplar: Exemplar) {
        // If a scrape reads them just now, the next request is as good an example.
        let mut exemplars = match self.exemplars.try_lock() {
            Ok(exemplars) => exemplars,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        exemplars.resize(REQUEST.bounds.len() + 1, None);
        exemplars[REQUEST.bucket(exemplar.duration)] = Some(exemplar);
    }

    /// Replaces those in `newest` that are older, by their buckets.
    pub(super) fn exemplars(&self, newest: &mut [Option<Exemplar>]) {
        let exemplars = self.exemplars.lock().unwrap_or_else(PoisonError::into_inner);
        for (newest, exemplar) in newest.iter_mut().zip(&*exemplars) {
            if newest.map(|newest| newest.ended) < exemplar.map(|exemplar| exemplar.ended) {
                *newest = *exemplar;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::{Method, StatusCode, Version};

    use super::super::histogram::Counts;
    use super::*;
    use crate::observation::Exchange;

    fn labels(method: &str, status: u16) -> RequestLabels {
        RequestLabels::of(&Exchange {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            version: Version::HTTP_11,
            https: false,
            peer: ([127, 0, 0, 1], 1).into(),
            trace: None,
            span: None,
            begun: Instant::now(),
            route: None,
            status: StatusCode::from_u16(status).ok(),
            error: None,
        })
    }

    fn count(histogram: &Histogram) -> u64 {
        let mut counts = Counts::new(&REQUEST);
        counts.add(histogram);
        counts.count()
    }

    #[test]
    fn each_label_set_has_its_series() {
        let table = Table::new();
        for (method, status, times) in [("GET", 200, 3), ("GET", 404, 2), ("POST", 200, 1)] {
            (0..times).for_each(|_| table.observe(labels(method, status), Duration::ZERO, None));
        }
        let mut counts: Vec<_> = table.all().map(|series| count(&series.durations)).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2, 3]);
        assert_eq!(labels("BREW", 200), labels("STIR", 200), "a client cannot invent label values");
    }

    #[test]
    fn what_finds_no_place_is_counted_together() {
        let table = Table::new();
        for status in 200..600 {
            table.observe(labels("GET", status), Duration::ZERO, None);
        }
        assert_eq!((table.all().count(), count(&table.overflow)), (MOST, 400 - MOST as u64));
        table.observe(labels("GET", 200), Duration::ZERO, None);
        assert_eq!(count(&table.overflow), 400 - MOST as u64, "the first ones keep theirs");
    }

    #[test]
    fn the_newest_recorded_request_of_a_bucket_is_its_exemplar() {
        let table = Table::new();
        let observe = |milliseconds, span_id, sampled| {
            let trace = Trace { trace_id: 1, span_id, sampled };
            table.observe(labels("GET", 200), Duration::from_millis(milliseconds), Some(trace));
        };
        observe(1, 1, true);
        observe(2, 2, true);
        observe(3, 3, false);
        observe(70, 4, true);
        let mut newest = vec![None; REQUEST.bounds.len() + 1];
        table.all().for_each(|series| series.exemplars(&mut newest));
        let spans: Vec<_> = newest.iter().flatten().map(|exemplar| exemplar.trace.span_id).collect();
        assert_eq!(spans, [2, 4]);
    }
}
