//! Adds exemplars to what `prometheus_client` has written: it knows them only for its own histograms, not for those of a collector.

use std::fmt::Write;
use std::time::SystemTime;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{self as model, LabelPair, MetricFamily};

use super::families::REQUEST_DURATION;
use super::series::Exemplar;
use super::snapshot::Snapshot;

/// Adds them to the text of OpenMetrics, which has the buckets in the order of `snapshot`.
pub(super) fn add_to_text(text: &str, snapshot: &Snapshot) -> String {
    let mut exemplars = snapshot.requests.values().flat_map(|requests| &requests.exemplars);
    let mut with = String::with_capacity(text.len());
    for line in text.lines() {
        with.push_str(line);
        let bucket = line.strip_prefix(REQUEST_DURATION).is_some_and(|rest| rest.starts_with("_bucket{"));
        if bucket && let Some(Some(exemplar)) = exemplars.next() {
            let [(trace, trace_id), (span, span_id)] = labels(exemplar);
            let (value, time) = (exemplar.duration.as_secs_f64(), since_1970(exemplar));
            // A String takes all that is written to it.
            let _ = write!(with, " # {{{trace}=\"{trace_id}\",{span}=\"{span_id}\"}} {value} {time:.3}");
        }
        with.push('\n');
    }
    with
}

/// Adds them to messages, which have the series in the order of `snapshot`.
pub(super) fn add_to_messages(families: &mut [MetricFamily], snapshot: &Snapshot) {
    let Some(family) = families.iter_mut().find(|family| family.name == REQUEST_DURATION) else { return };
    for (metric, requests) in family.metric.iter_mut().zip(snapshot.requests.values()) {
        let Some(histogram) = &mut metric.histogram else { continue };
        for (bucket, exemplar) in histogram.bucket.iter_mut().zip(&requests.exemplars) {
            bucket.exemplar = exemplar.as_ref().map(message);
        }
        histogram.exemplars = requests.exemplars.iter().flatten().map(message).collect();
    }
}

fn message(exemplar: &Exemplar) -> model::Exemplar {
    let label = labels(exemplar).map(|(name, value)| LabelPair { name: name.to_owned(), value });
    model::Exemplar {
        label: label.into(),
        value: exemplar.duration.as_secs_f64(),
        timestamp: Some(exemplar.ended.into()),
    }
}

/// The labels by which Grafana and others find the trace.
fn labels(exemplar: &Exemplar) -> [(&'static str, String); 2] {
    let trace = exemplar.trace;
    [("trace_id", format!("{:032x}", trace.trace_id)), ("span_id", format!("{:016x}", trace.span_id))]
}

fn since_1970(exemplar: &Exemplar) -> f64 {
    exemplar.ended.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
