//! Figures as OpenTelemetry's protocol has them: those of the semantic conventions for HTTP servers, and the spans that were lost.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar as OtlpExemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, Sum, exemplar, metric, number_data_point,
};
use opentelemetry_proto::transform::common::tonic::Attributes;
use opentelemetry_semantic_conventions::metric::HTTP_SERVER_REQUEST_DURATION;

use super::histogram::{Counts, REQUEST, SCHEMA, zero_threshold};
use super::series::Exemplar;
use super::snapshot::{Requests, Snapshot};
use crate::lost_spans::Loss;

/// Still a draft of the conventions, so their crate does not have it.
const HTTP_SERVER_ACTIVE_REQUESTS: &str = "http.server.active_requests";

/// Everything is counted since the start.
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// Writes the figures of one moment.
pub(super) struct Writer {
    /// Whether histograms have buckets that grow with the value.
    pub(super) exponential: bool,
    /// When counting began.
    pub(super) begun: SystemTime,
    /// That moment.
    pub(super) now: SystemTime,
}

impl Writer {
    pub(super) fn write(&self, snapshot: &Snapshot) -> Vec<Metric> {
        let active = snapshot.active.iter().map(|(labels, count)| (labels.attributes(), *count));
        let lost = Loss::counts().map(|(reason, count)| (vec![KeyValue::new("reason", reason)], count));
        vec![
            describe(HTTP_SERVER_REQUEST_DURATION, "Duration of HTTP server requests", "s", self.durations(snapshot)),
            describe(HTTP_SERVER_ACTIVE_REQUESTS, "Requests that run", "{request}", self.sum(active, false)),
            describe("httpserver.spans.lost", "Spans that no collector has got", "{span}", self.sum(lost, true)),
        ]
    }

    fn durations(&self, snapshot: &Snapshot) -> metric::Data {
        let overflow = (snapshot.overflow.count() > 0).then(|| {
            // As the OpenTelemetry SDKs name what is beyond their limit.
            (vec![KeyValue::new("otel.metric.overflow", true)], &snapshot.overflow, [].as_slice())
        });
        let series = snapshot
            .requests
            .iter()
            .map(|(labels, Requests { durations, exemplars })| (labels.attributes(), durations, exemplars.as_slice()));
        let series = series.chain(overflow);
        if self.exponential {
            let points = series.map(|(attributes, counts, _)| self.exponential(attributes, counts));
            metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: points.collect(),
                aggregation_temporality: CUMULATIVE,
            })
        } else {
            let points = series.map(|(attributes, counts, exemplars)| self.explicit(attributes, counts, exemplars));
            metric::Data::Histogram(Histogram { data_points: points.collect(), aggregation_temporality: CUMULATIVE })
        }
    }

    fn explicit(
        &self,
        attributes: Vec<KeyValue>,
        counts: &Counts,
        exemplars: &[Option<Exemplar>],
    ) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: Attributes::from(attributes).0,
            start_time_unix_nano: nanoseconds(self.begun),
            time_unix_nano: nanoseconds(self.now),
            count: counts.count(),
            sum: Some(counts.sum()),
            bucket_counts: counts.classic().into_iter().map(|(_, count)| count).collect(),
            explicit_bounds: REQUEST.bounds.clone(),
            exemplars: exemplars.iter().flatten().map(exemplar).collect(),
            ..HistogramDataPoint::default()
        }
    }

    fn exponential(&self, attributes: Vec<KeyValue>, counts: &Counts) -> ExponentialHistogramDataPoint {
        let (zero_count, first, bucket_counts) = counts.dense();
        ExponentialHistogramDataPoint {
            attributes: Attributes::from(attributes).0,
            start_time_unix_nano: nanoseconds(self.begun),
            time_unix_nano: nanoseconds(self.now),
            count: counts.count(),
            sum: Some(counts.sum()),
            scale: SCHEMA,
            zero_count,
            zero_threshold: zero_threshold(),
            // Prometheus numbers a bucket by its end, OpenTelemetry by its begin.
            positive: Some(Buckets { offset: first - 1, bucket_counts }),
            ..ExponentialHistogramDataPoint::default()
        }
    }

    /// Sums, of which some only grow.
    fn sum(&self, values: impl IntoIterator<Item = (Vec<KeyValue>, u64)>, is_monotonic: bool) -> metric::Data {
        let points = values.into_iter().map(|(attributes, value)| NumberDataPoint {
            attributes: Attributes::from(attributes).0,
            start_time_unix_nano: nanoseconds(self.begun),
            time_unix_nano: nanoseconds(self.now),
            value: Some(number_data_point::Value::AsInt(value.cast_signed())),
            ..NumberDataPoint::default()
        });
        metric::Data::Sum(Sum { data_points: points.collect(), aggregation_temporality: CUMULATIVE, is_monotonic })
    }
}

fn describe(name: &str, description: &str, unit: &str, data: metric::Data) -> Metric {
    let (name, description, unit) = (name.to_owned(), description.to_owned(), unit.to_owned());
    Metric { name, description, unit, data: Some(data), ..Metric::default() }
}

fn exemplar(exemplar: &Exemplar) -> OtlpExemplar {
    OtlpExemplar {
        time_unix_nano: nanoseconds(exemplar.ended),
        trace_id: exemplar.trace.trace_id.to_be_bytes().to_vec(),
        span_id: exemplar.trace.span_id.to_be_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(exemplar.duration.as_secs_f64())),
        ..OtlpExemplar::default()
    }
}

/// Since 1970.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
