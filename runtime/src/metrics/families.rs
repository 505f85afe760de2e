//! Every metric: its name, its meaning, and where its figures come from.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NativeHistogram,
    NativeHistogramBuckets, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::histogram::{Counts, SCHEMA, zero_threshold};
use super::process::Usage;
use super::snapshot::Snapshot;
use crate::failure::FailureKind;
use crate::guest::{Figures, Pool};
use crate::lost_spans::Loss;
use crate::refusal::Refusal;

/// The one metric that has exemplars.
pub(super) const REQUEST_DURATION: &str = "http_server_request_duration_seconds";

/// The source that the program was built from, if the builder said so; the component's own is in the response of `/version`.
const REVISION: Option<&str> = option_env!("HTTPSERVER_GIT_COMMIT");

/// Writes metrics, one after the other.
struct Families<'a>(DescriptorEncoder<'a>);

type Result<T = ()> = std::result::Result<T, Error>;

/// The labels of a metric with one label.
type Label = [(&'static str, &'static str); 1];

impl Families<'_> {
    /// Begins the metric of that name. Encoders want it without the ends that they write themselves.
    fn begin(&mut self, name: &'static str, help: &str, kind: MetricType) -> Result<MetricEncoder<'_>> {
        let end = match kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        let name = name.strip_suffix(end).unwrap_or(name);
        for (end, unit) in [("_seconds", &Unit::Seconds), ("_bytes", &Unit::Bytes)] {
            if let Some(name) = name.strip_suffix(end) {
                return self.0.encode_descriptor(name, help, Some(unit), kind);
            }
        }
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: impl EncodeGaugeValue) -> Result {
        self.begin(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<L, V>(&mut self, name: &'static str, help: &str, values: impl IntoIterator<Item = (L, V)>) -> Result
    where
        L: EncodeLabelSet,
        V: EncodeGaugeValue,
    {
        let mut metric = self.begin(name, help, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }

    fn counter(&mut self, name: &'static str, help: &str, value: impl EncodeCounterValue) -> Result {
        self.begin(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters(&mut self, name: &'static str, help: &str, values: impl IntoIterator<Item = (Label, u64)>) -> Result {
        let mut metric = self.begin(name, help, MetricType::Counter)?;
        values.into_iter().try_for_each(|(label, value)| {
            metric.encode_family(&label)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }
}

/// Writes one series of a histogram: both kinds of buckets where the format has them.
fn histogram(mut metric: MetricEncoder<'_>, counts: &Counts) -> Result {
    let sparse = counts.native();
    let native = NativeHistogram {
        schema: SCHEMA,
        zero_threshold: zero_threshold(),
        zero_count: sparse.zero,
        negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
        positive: NativeHistogramBuckets { spans: &sparse.spans, deltas: &sparse.deltas },
        created: None,
    };
    metric.encode_histogram_with_native::<NoLabelSet>(counts.sum(), counts.count(), &counts.classic(), None, native)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let families = &mut Families(encoder);
        self.write_requests(families)?;
        self.write_server(families)?;
        write_guest(&self.guest, families)?;
        self.process.as_ref().map_or(Ok(()), |usage| write_process(usage, families))
    }
}

impl Snapshot {
    fn write_requests(&self, families: &mut Families<'_>) -> Result {
        let help = "Time from the head of a request to the last byte of its response";
        let mut metric = families.begin(REQUEST_DURATION, help, MetricType::Histogram)?;
        for (labels, requests) in &self.requests {
            histogram(metric.encode_family(labels)?, &requests.durations)?;
        }
        if self.overflow.count() > 0 {
            // As the OpenTelemetry SDKs name what is beyond their limit.
            histogram(metric.encode_family(&[("otel_metric_overflow", "true")])?, &self.overflow)?;
        }
        families.gauges("http_server_active_requests", "Requests that run", self.active.iter().copied())?;
        let help = "Time that it takes to make an instance";
        let metric = families.begin("httpserver_instantiation_duration_seconds", help, MetricType::Histogram)?;
        histogram(metric, &self.instantiations)
    }

    fn write_server(&self, families: &mut Families<'_>) -> Result {
        let version = [("version", env!("CARGO_PKG_VERSION")), ("revision", REVISION.unwrap_or("unknown"))];
        families.begin("httpserver_build_info", "The program", MetricType::Info)?.encode_info(&version)?;
        families.gauge("httpserver_draining", "Whether the server drains", u64::from(self.draining))?;
        families.gauge("httpserver_connections", "Open connections", self.open)?;
        families.gauge("httpserver_connections_limit", "Connections that may be open", self.connections)?;
        families.counter("httpserver_connections_accepted_total", "Connections that were accepted", self.accepted)?;
        let refused =
            Refusal::ALL.iter().zip(self.refused).map(|(refusal, count)| ([("reason", refusal.name())], count));
        let help = "Requests and connections that the server refused";
        families.counters("httpserver_refusals_total", help, refused)?;
        let failed = FailureKind::ALL.iter().zip(self.failed).map(|(kind, count)| ([("reason", kind.name())], count));
        families.counters("httpserver_traps_total", "Guests that failed", failed)?;
        let mut lost = Loss::counts().map(|(reason, count)| ([("reason", reason)], count)).peekable();
        if lost.peek().is_some() {
            families.counters("httpserver_spans_lost_total", "Spans of traces that no collector has got", lost)?;
        }
        let dropped = self.dropped_lines.map(|(stream, count)| ([("stream", stream)], count));
        families.counters(
            "httpserver_log_lines_dropped_total",
            "Lines that the reader of the log was too slow for",
            dropped,
        )
    }
}

fn write_guest(guest: &Figures, families: &mut Families<'_>) -> Result {
    families.gauge("httpserver_instances", "Instances at work", guest.instances)?;
    families.gauge("httpserver_instances_limit", "Instances that may be at work", guest.limit)?;
    families.gauge("httpserver_instances_peak", "The most instances that were at work at one time", guest.peak)?;
    families.gauge("httpserver_instances_waiting", "Requests that wait for an instance", guest.waiting)?;
    let load = [([("source", if guest.cached { "cached" } else { "compiled" })], guest.load.as_secs_f64())];
    let help = "Time that it took at the start to compile the component, or to load its compiled code";
    families.gauges("httpserver_component_load_duration_seconds", help, load)?;
    guest.pool.as_ref().map_or(Ok(()), |pool| write_pool(pool, families))
}

fn write_pool(pool: &Pool, families: &mut Families<'_>) -> Result {
    families.gauge("httpserver_pool_core_instances", "Slots for core instances in use", pool.core_instances)?;
    families.gauge("httpserver_pool_component_instances", "Slots for components in use", pool.component_instances)?;
    families.gauge("httpserver_pool_memories", "Slots for memories in use", pool.memories)?;
    families.gauge("httpserver_pool_tables", "Slots for tables in use", pool.tables)?;
    families.gauge("httpserver_pool_stacks", "Slots for stacks in use", pool.stacks)?;
    let help = "Free slots that keep their pages";
    families.gauge("httpserver_pool_unused_warm_memories", help, pool.warm_memories)?;
    families.gauge("httpserver_pool_unused_warm_tables", help, pool.warm_tables)?;
    families.gauge("httpserver_pool_unused_warm_stacks", help, pool.warm_stacks)?;
    let help = "What free slots keep resident";
    families.gauge("httpserver_pool_unused_memory_resident_bytes", help, pool.warm_memory)?;
    families.gauge("httpserver_pool_unused_table_resident_bytes", help, pool.warm_table)
}

fn write_process(usage: &Usage, families: &mut Families<'_>) -> Result {
    let cpu = usage.cpu.as_secs_f64();
    families.counter("process_cpu_seconds_total", "User and system CPU time", cpu)?;
    families.gauge("process_open_fds", "Open file descriptors", usage.open_files)?;
    if let Some(most) = usage.max_files {
        families.gauge("process_max_fds", "File descriptors that may be open", most)?;
    }
    families.gauge("process_virtual_memory_bytes", "Virtual memory", usage.virtual_memory)?;
    families.gauge("process_resident_memory_bytes", "Resident memory", usage.resident_memory)?;
    let started = usage.started.as_secs_f64();
    families.gauge("process_start_time_seconds", "When the process started, in seconds since 1970", started)
}
