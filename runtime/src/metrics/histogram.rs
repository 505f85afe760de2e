//! Histograms that threads fill without a lock, in cells from which both kinds of buckets follow: the classic ones, which a convention
//! or we have chosen, and Prometheus' native ones, each of which is 9 % wider than the one before.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Eight native buckets for each power of two, as the Prometheus libraries have by default. Bucket `i` ends at 2^(i/8) s.
pub(super) const SCHEMA: i32 = 3;
const EACH_DOUBLING: i32 = 1 << SCHEMA;

/// The native buckets: from 1 µs, which no response takes, to 36 h, which no connection of a client lasts. What is longer counts as
/// that long.
const FIRST: i32 = -20 * EACH_DOUBLING + 1;
const LAST: i32 = 17 * EACH_DOUBLING;

/// The bounds of `http.server.request.duration` in OpenTelemetry's semantic conventions, seconds.
pub(super) static REQUEST: LazyLock<Layout> =
    LazyLock::new(|| Layout::new(&[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]));

/// Bounds for the time that it takes to make an instance, which is a few microseconds if nothing is wrong.
pub(super) static INSTANTIATION: LazyLock<Layout> = LazyLock::new(|| {
    Layout::new(&[2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 0.1])
});

/// How the cells of a histogram divide the time.
#[derive(Debug)]
pub(super) struct Layout {
    /// The classic bounds, seconds; one more bucket is for what is above.
    pub(super) bounds: Vec<f64>,
    cells: Vec<Cell>,
}

/// What is longer than the cell before and at most as long as `end`.
#[derive(Debug)]
struct Cell {
    /// Nanoseconds.
    end: u64,
    /// The classic bucket, by its place.
    classic: usize,
    /// The native bucket; none for what is shorter than the first one.
    native: Option<i32>,
}

/// Counts of one kind of event, in cells.
#[derive(Debug)]
pub(super) struct Histogram {
    layout: &'static Layout,
    cells: Box<[AtomicU64]>,
    /// Nanoseconds: enough for 580 years.
    sum: AtomicU64,
}

/// The counts of several histograms of the same layout at one time.
#[derive(Debug)]
pub(super) struct Counts {
    layout: &'static Layout,
    cells: Vec<u64>,
    sum: u64,
}

/// Native buckets as Prometheus transfers them.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pub(super) zero: u64,
    /// Runs of buckets: how many are left out before, counted from 0 for the first run, and how many follow.
    pub(super) spans: Vec<(i32, u32)>,
    /// How many more each bucket has than the one before.
    pub(super) deltas: Vec<i64>,
}

impl Layout {
    fn new(bounds: &[f64]) -> Self {
        let natives = (FIRST - 1..=LAST).map(native_end);
        let mut ends: Vec<f64> = natives.chain(bounds.iter().copied()).collect();
        ends.sort_by(f64::total_cmp);
        ends.dedup();
        let cells = ends.into_iter().map(|end| Cell {
            // Rounded down, but not a bound that is a whole number.
            end: (end * 1e9 * (1.0 + f64::EPSILON)) as u64,
            classic: bounds.partition_point(|&bound| bound < end),
            native: (FIRST..=LAST).find(|&bucket| native_end(bucket - 1) < end && end <= native_end(bucket)),
        });
        Self { bounds: bounds.to_vec(), cells: cells.collect() }
    }

    /// The cell of a duration.
    fn cell(&self, nanoseconds: u64) -> usize {
        self.cells.partition_point(|cell| cell.end < nanoseconds).min(self.cells.len() - 1)
    }

    /// The classic bucket of a duration, by its place.
    pub(super) fn bucket(&self, duration: Duration) -> usize {
        self.cells[self.cell(nanoseconds(duration))].classic
    }
}

/// Where a native bucket ends, seconds.
fn native_end(bucket: i32) -> f64 {
    (f64::from(bucket) / f64::from(EACH_DOUBLING)).exp2()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Histogram {
    pub(super) fn new(layout: &'static Layout) -> Self {
        Self { layout, cells: layout.cells.iter().map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, duration: Duration) {
        let nanoseconds = nanoseconds(duration);
        self.cells[self.layout.cell(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl Counts {
    pub(super) fn new(layout: &'static Layout) -> Self {
        Self { layout, cells: vec![0; layout.cells.len()], sum: 0 }
    }

    /// Adds what `histogram` has counted so far.
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (count, cell) in self.cells.iter_mut().zip(&histogram.cells) {
            *count += cell.load(Ordering::Relaxed);
        }
        self.sum += histogram.sum.load(Ordering::Relaxed);
    }

    /// Seconds.
    pub(super) fn sum(&self) -> f64 {
        self.sum as f64 / 1e9
    }

    pub(super) fn count(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// The classic buckets: where each ends, and its count alone.
    pub(super) fn classic(&self) -> Vec<(f64, u64)> {
        let ends = self.layout.bounds.iter().copied().chain([f64::INFINITY]);
        let mut buckets: Vec<_> = ends.map(|end| (end, 0)).collect();
        for (cell, count) in self.layout.cells.iter().zip(&self.cells) {
            buckets[cell.classic].1 += count;
        }
        buckets
    }

    /// The native buckets without a gap: what is too short for them, the number of the first one, and their counts.
    pub(super) fn dense(&self) -> (u64, i32, Vec<u64>) {
        let (zero, counts) = self.by_bucket();
        let first = counts.keys().next().copied().unwrap_or(FIRST);
        let last = counts.keys().next_back().copied().unwrap_or(first - 1);
        (zero, first, (first..=last).map(|bucket| counts.get(&bucket).copied().unwrap_or(0)).collect())
    }

    /// What is too short for the native buckets, and the counts of those that are not empty.
    fn by_bucket(&self) -> (u64, BTreeMap<i32, u64>) {
        let (mut zero, mut counts) = (0, BTreeMap::<_, u64>::new());
        for (cell, &count) in self.layout.cells.iter().zip(&self.cells).filter(|(_, count)| **count > 0) {
            match cell.native {
                None => zero += count,
                Some(bucket) => *counts.entry(bucket).or_default() += count,
            }
        }
        (zero, counts)
    }

    /// The native buckets.
    pub(super) fn native(&self) -> Sparse {
        let (zero, counts) = self.by_bucket();
        let mut sparse = Sparse { zero, ..Sparse::default() };
        let (mut next, mut before) = (0, 0);
        for (bucket, count) in counts {
            match sparse.spans.last_mut() {
                Some((_, length)) if bucket == next => *length += 1,
                _ => sparse.spans.push((bucket - next, 1)),
            }
            sparse.deltas.push(count as i64 - before);
            (next, before) = (bucket + 1, count as i64);
        }
        sparse
    }
}

/// The longest duration that counts as none, seconds: where the first native bucket begins.
pub(super) fn zero_threshold() -> f64 {
    native_end(FIRST - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of these durations, seconds.
    fn counts(durations: &[f64]) -> Counts {
        let histogram = Histogram::new(&REQUEST);
        durations.iter().for_each(|&seconds| histogram.observe(Duration::from_secs_f64(seconds)));
        let mut counts = Counts::new(&REQUEST);
        counts.add(&histogram);
        counts
    }

    /// The native buckets and their counts, as Prometheus reads spans and deltas.
    fn buckets(sparse: &Sparse) -> Vec<(i32, i64)> {
        let (mut deltas, mut bucket, mut count) = (sparse.deltas.iter(), 0, 0);
        let mut buckets = Vec::new();
        for &(offset, length) in &sparse.spans {
            bucket += offset;
            for _ in 0..length {
                count += deltas.next().unwrap();
                buckets.push((bucket, count));
                bucket += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        buckets
    }

    #[test]
    fn a_classic_bucket_has_its_bound() {
        for (place, &bound) in REQUEST.bounds.iter().enumerate() {
            let counts = counts(&[bound, bound + 1e-8]).classic();
            assert_eq!((counts[place], counts[place + 1].1), ((bound, 1), 1), "{bound}");
        }
        assert_eq!(counts(&[0.0, 11.0]).classic()[14], (f64::INFINITY, 1));
    }

    #[test]
    fn a_native_bucket_is_where_prometheus_looks_for_it() {
        // Bucket i has what is longer than 2^((i-1)/8) and at most 2^(i/8).
        for seconds in [2e-6, 50e-6, 0.0049, 0.005, 0.0051, 0.3, 1.0, 7.4999, 100.0, 100_000.0] {
            let expected = (f64::log2(seconds) * 8.0).ceil() as i32;
            assert_eq!(buckets(&counts(&[seconds]).native()), [(expected, 1)], "{seconds}");
        }
    }

    #[test]
    fn buckets_without_a_gap_have_zeros_between() {
        // 1 s is the end of bucket 0, and 1.2 s lies between 2^(2/8) s and 2^(3/8) s.
        assert_eq!(counts(&[1.0, 1.2, 1.2, 1e-9]).dense(), (1, 0, vec![1, 0, 0, 2]));
        assert_eq!(counts(&[]).dense(), (0, FIRST, vec![]));
    }

    #[test]
    fn what_is_too_short_or_too_long_is_counted() {
        let counts = counts(&[0.0, 9e-7, 1e6]);
        let native = counts.native();
        assert_eq!((native.zero, buckets(&native)), (2, vec![(LAST, 1)]));
        assert_eq!((counts.count(), counts.sum()), (3, 1_000_000.000_000_9));
    }

    #[test]
    fn both_kinds_of_buckets_have_all_that_was_counted() {
        let durations: Vec<_> = (0..10_000).map(|n| f64::powi(1.002, n) * 1e-7).collect();
        let counts = counts(&durations);
        let classic: u64 = counts.classic().iter().map(|(_, count)| count).sum();
        let native = counts.native();
        let sum: i64 = buckets(&native).iter().map(|(_, count)| count).sum();
        assert_eq!((classic, native.zero + sum.unsigned_abs(), counts.count()), (10_000, 10_000, 10_000));
        assert!(native.spans.len() < 3, "buckets without a gap: {:?}", native.spans);
    }
}
