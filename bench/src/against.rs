//! `--against`: this run compared with a saved one.

use crate::results::{Metric, Results, Row};
use crate::statistics::chance;

/// A change is beyond the noise if it came by chance in fewer than one of a hundred cases. Five rounds against five can show that, and
/// only if no value of one run is among those of the other.
const CHANCE: f64 = 0.01;

/// Smaller changes are never called worse: two runs of the same programs differ by as much, because the machine does.
const SMALLEST: f64 = 0.05;

/// What became of a figure.
#[derive(Debug)]
pub struct Change {
    /// The scenario.
    pub scenario: String,
    /// The contender.
    pub contender: String,
    /// The figure.
    pub metric: Metric,
    /// The quotient of the medians.
    pub ratio: f64,
    /// How likely such a difference is if nothing has changed.
    pub chance: f64,
}

impl Change {
    /// Whether it is beyond the noise.
    pub fn is_real(&self) -> bool {
        self.chance < CHANCE && (self.ratio - 1.0).abs() > SMALLEST
    }

    /// Whether it is beyond the noise, and for the worse.
    pub fn is_worse(&self) -> bool {
        self.is_real() && (self.ratio < 1.0) == self.metric.more_is_better()
    }
}

/// What changed in the rows that both runs have.
pub fn changes(before: &Results, after: &Results) -> Vec<Change> {
    let same =
        |row: &Row| before.rows.iter().find(|old| (&old.scenario, &old.contender) == (&row.scenario, &row.contender));
    let pairs = after.rows.iter().filter_map(|row| Some((same(row)?, row)));
    pairs.flat_map(|(old, row)| Metric::ALL.iter().filter_map(move |metric| change(old, row, *metric))).collect()
}

fn change(old: &Row, row: &Row, metric: Metric) -> Option<Change> {
    let ratio = row.medians.get(&metric)? / old.medians.get(&metric)?;
    let (scenario, contender) = (row.scenario.clone(), row.contender.clone());
    let chance = chance(&old.values(metric), &row.values(metric));
    metric.is_primary().then_some(Change { scenario, contender, metric, ratio, chance })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A run in which each figure has these values.
    fn run(values: [f64; 5]) -> Results {
        let samples = values.map(|value| BTreeMap::from([(Metric::Rate, value), (Metric::Cpu, value)]));
        let rows = vec![Row::new("root-32", "runtime", samples.into(), None)];
        Results { machine: BTreeMap::new(), settings: BTreeMap::new(), rows, ratios: Vec::new() }
    }

    const BEFORE: [f64; 5] = [100.0, 101.0, 102.0, 103.0, 104.0];

    #[test]
    fn a_change_beyond_the_noise_is_worse_or_better() {
        let changes = changes(&run(BEFORE), &run(BEFORE.map(|value| value * 1.2)));
        let worse: Vec<_> = changes.iter().filter(|change| change.is_worse()).map(|change| change.metric).collect();
        // More responses a second are better.
        assert_eq!(worse, [Metric::Cpu]);
        assert!(changes.iter().all(Change::is_real));
    }

    #[test]
    fn noise_is_no_change() {
        // It overlaps.
        assert!(!changes(&run(BEFORE), &run([95.0, 102.5, 140.0, 150.0, 160.0])).iter().any(Change::is_real));
        // It is small.
        assert!(!changes(&run(BEFORE), &run(BEFORE.map(|value| value + 5.0))).iter().any(Change::is_real));
    }
}
