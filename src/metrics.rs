//! Metrics: what was responded, and how long it took.
//!
//! Each request runs in its own instance, so a number in this memory is always 0 or 1. The counters are in the host's key-value store,
//! which all instances share. A response adds to two of them: to that of its route, status and finest bucket, and to the sum of all
//! durations. Everything else is made of these when they are read (`exposition`).
//!
//! | key | number |
//! |---|---|
//! | `metrics/STATUS/BUCKET` and the path of the route, such as `metrics/200/3/hello` | responses; bucket `i` is up to 0.001 · 2^i seconds |
//! | `metrics/sum` | microseconds |
//! | `metrics/errors` | responses that could not be counted |
//!
//! A route is known by its row in the router, never by the path of a request. So the keys are limited: 12 routes with at most 6
//! statuses each, and the 400 of `/status/{code}`, in 16 buckets, are 7,552 keys of at most 32 bytes.

use std::time::Duration;

use http::StatusCode;

use crate::config;
use crate::host::Host;

pub mod exposition;

/// The beginning of all keys.
const PREFIX: &str = "metrics/";

/// The sum of all durations, in microseconds.
const SUM: &str = "metrics/sum";

/// How often the store failed.
const ERRORS: &str = "metrics/errors";

/// The buckets that have a limit, as in the Go server: 0.001 · 2^0 to 2^14 seconds. One more has no limit.
const LIMITS: usize = 15;

/// A response that is to be counted once it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Observation {
    route: &'static str,
    status: StatusCode,
}

impl Observation {
    /// The observation of a response to a request for that route. `None` if the metrics are off.
    pub(crate) fn new(route: &'static str, status: StatusCode, host: &dyn Host) -> Option<Self> {
        config::METRICS.read(host).then_some(Self { route, status })
    }

    /// Counts the response. The duration is that of the access log.
    pub fn record(self, duration: Duration, host: &dyn Host) {
        let key = format!("{PREFIX}{}/{}{}", self.status.as_u16(), bucket(duration), self.route);
        let counted = host.add(&key, 1).and_then(|()| host.add(SUM, duration.as_micros() as i64));
        if counted.is_err() {
            // The request has its response. The host says why it failed; a store that has no room still adds to what is there.
            let _ = host.add(ERRORS, 1);
        }
    }
}

/// The counters, read.
pub struct Counters {
    counters: Vec<(String, i64)>,
}

impl Counters {
    /// Reads them.
    ///
    /// # Errors
    /// The store fails. The text is the host's.
    pub fn read(host: &dyn Host) -> Result<Self, String> {
        // From the first time on, an error can be counted even if the store becomes full.
        host.add(ERRORS, 0)?;
        host.counters().map(|counters| Self { counters })
    }

    /// The number with that key.
    fn number(&self, key: &str) -> i64 {
        self.counters.iter().find(|(name, _)| name == key).map_or(0, |(_, number)| *number)
    }

    /// Route, status and bucket of all counted responses, with their number.
    fn responses(&self) -> impl Iterator<Item = (&str, &str, usize, i64)> {
        self.counters.iter().filter_map(|(key, number)| {
            let (status, rest) = key.strip_prefix(PREFIX)?.split_once('/')?;
            let (bucket, _) = rest.split_once('/')?;
            let route = &rest[bucket.len()..];
            Some((route, status, bucket.parse().ok().filter(|bucket| *bucket <= LIMITS)?, *number))
        })
    }
}

/// The finest bucket for a duration.
fn bucket(duration: Duration) -> usize {
    (0..LIMITS).find(|bucket| duration <= limit(*bucket)).unwrap_or(LIMITS)
}

/// The longest duration in a bucket.
fn limit(bucket: usize) -> Duration {
    Duration::from_millis(1 << bucket)
}

#[cfg(test)]
mod tests;
