//! What was measured, as it is saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::statistics::{median, range};

/// A figure of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Responses a second.
    Rate,
    /// Of an overload: responses with 200 a second, as a part of the peak rate.
    Goodput,
    /// Of an overload: the part of the responses that are 503.
    Refused,
    /// Of an overload: the part of the requests that got no response, or another one.
    Failed,
    /// The time from the start of the process to its first response, milliseconds.
    FirstResponse,
    /// CPU time of the server for each response, microseconds.
    Cpu,
    /// The part of it in user space.
    CpuUser,
    /// The part of it in the kernel.
    CpuSystem,
    /// The time from a request to its response that half of them do not exceed, milliseconds.
    P50,
    /// The same for 99 of 100.
    P99,
    /// The same for 999 of 1000.
    P999,
    /// The longest time, milliseconds.
    Longest,
    /// Resident memory after the start, MiB.
    ResidentBefore,
    /// The most that was resident, MiB.
    ResidentPeak,
    /// Resident memory after all requests, MiB.
    ResidentAfter,
    /// Resident memory for each idle connection, KiB.
    Connection,
    /// Cores that the load generator used, this program included.
    Client,
    /// Cores that everything else on the machine used: noise.
    Others,
}

impl Metric {
    /// In the order of a table's columns.
    pub const ALL: [Self; 18] = [
        Self::Rate,
        Self::Goodput,
        Self::Refused,
        Self::Failed,
        Self::FirstResponse,
        Self::Cpu,
        Self::CpuUser,
        Self::CpuSystem,
        Self::P50,
        Self::P99,
        Self::P999,
        Self::Longest,
        Self::ResidentBefore,
        Self::ResidentPeak,
        Self::ResidentAfter,
        Self::Connection,
        Self::Client,
        Self::Others,
    ];

    /// The head of its column.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rate => "req/s",
            Self::Goodput => "goodput/peak",
            Self::Refused => "503",
            Self::Failed => "failed",
            Self::FirstResponse => "first 200, ms",
            Self::Cpu => "CPU µs/req",
            Self::CpuUser => "user",
            Self::CpuSystem => "system",
            Self::P50 => "p50 ms",
            Self::P99 => "p99 ms",
            Self::P999 => "p99.9 ms",
            Self::Longest => "max ms",
            Self::ResidentBefore => "MiB idle",
            Self::ResidentPeak => "MiB peak",
            Self::ResidentAfter => "MiB after",
            Self::Connection => "KiB/connection",
            Self::Client => "client",
            Self::Others => "others",
        }
    }

    /// Whether a table shows how far its values spread, and changes of it count. Times are not: a busy machine disturbs them most.
    pub fn is_primary(self) -> bool {
        matches!(
            self,
            Self::Rate | Self::Goodput | Self::FirstResponse | Self::Cpu | Self::ResidentAfter | Self::Connection
        )
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        matches!(self, Self::Rate | Self::Goodput)
    }

    /// A value as a table shows it.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::Rate if value >= 100.0 => format!("{value:.0}"),
            Self::P50 | Self::P99 | Self::P999 | Self::Longest | Self::Goodput | Self::Refused | Self::Failed => {
                format!("{value:.3}")
            }
            Self::Client | Self::Others => format!("{value:.2}"),
            _ => format!("{value:.1}"),
        }
    }
}

/// The figures of one measurement.
pub type Sample = BTreeMap<Metric, f64>;

/// All that one run measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    /// Where it ran.
    pub machine: BTreeMap<String, String>,
    /// How it ran.
    pub settings: BTreeMap<String, String>,
    /// One for each scenario and contender.
    pub rows: Vec<Row>,
    /// One contender against another.
    pub ratios: Vec<Ratio>,
}

/// What a contender did in a scenario.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// The contender.
    pub contender: String,
    /// The medians of the rounds.
    pub medians: Sample,
    /// One for each round.
    pub samples: Vec<Sample>,
    /// Why the measurement failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<String>,
}

/// How a figure of one contender compares with that of another: the median of the rounds' quotients, since what disturbs a round disturbs
/// both.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ratio {
    /// The scenario.
    pub scenario: String,
    /// What changed: `component's metrics on/off`.
    pub what: String,
    /// The figure.
    pub metric: Metric,
    /// The quotient's median.
    pub median: f64,
    /// Its least value.
    pub least: f64,
    /// Its greatest value.
    pub greatest: f64,
}

impl Row {
    /// A row with its medians.
    pub fn new(scenario: &str, contender: &str, samples: Vec<Sample>, failure: Option<String>) -> Self {
        let mut row = Self {
            scenario: scenario.to_owned(),
            contender: contender.to_owned(),
            medians: BTreeMap::new(),
            samples,
            failure,
        };
        let metrics: Vec<_> = row.samples.iter().flat_map(|sample| sample.keys().copied()).collect();
        row.medians = metrics.into_iter().filter_map(|metric| Some((metric, median(&row.values(metric))?))).collect();
        row
    }

    /// The figure in each round.
    pub fn values(&self, metric: Metric) -> Vec<f64> {
        self.samples.iter().filter_map(|sample| sample.get(&metric).copied()).collect()
    }
}

impl Ratio {
    /// The ratio of `row` to `base`; `None` if one of them has no such figure.
    pub fn of(what: &str, metric: Metric, row: &Row, base: &Row) -> Option<Self> {
        let quotients: Vec<_> =
            row.values(metric).iter().zip(base.values(metric)).map(|(value, base)| value / base).collect();
        let (least, greatest) = range(&quotients)?;
        let median = median(&quotients)?;
        Some(Self { scenario: row.scenario.clone(), what: what.to_owned(), metric, median, least, greatest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rates: &[f64]) -> Row {
        let samples = rates.iter().map(|rate| BTreeMap::from([(Metric::Rate, *rate)])).collect();
        Row::new("scenario", "contender", samples, None)
    }

    #[test]
    fn a_row_has_the_medians_of_its_samples() {
        assert_eq!(row(&[3.0, 1.0, 2.0]).medians, BTreeMap::from([(Metric::Rate, 2.0)]));
    }

    #[test]
    fn a_ratio_compares_round_with_round() {
        // The machine is half as fast in each round as in the one before.
        let ratio = Ratio::of("what", Metric::Rate, &row(&[88.0, 45.0, 22.0]), &row(&[80.0, 40.0, 20.0])).unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.greatest), (1.1, 1.1, 1.125));
        assert!(Ratio::of("what", Metric::Cpu, &row(&[1.0]), &row(&[1.0])).is_none());
    }
}
