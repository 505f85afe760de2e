//! Spans on their way to the collector, as many together as the settings say.

use std::iter;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::queue::Queue;
use super::settings::Traces;
use crate::log;
use crate::lost_spans::Loss;

/// The least time between two lines about spans that were dropped.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Sends what comes through `queue` until `stop`, and then what is left.
pub(super) async fn send(
    queue: &Queue,
    mut spans: Receiver<SpanData>,
    settings: &Traces,
    resource: &ResourceAttributesWithSchema,
    stop: &CancellationToken,
) {
    let mut delivery = Delivery::new(&settings.target, stop);
    let mut report = Report::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => {}
            () = queue.full() => {}
            () = sleep(settings.delay) => {}
        }
        let mut is_full = true;
        while is_full {
            let batch: Vec<_> = iter::from_fn(|| spans.try_recv().ok()).take(settings.batch).collect();
            is_full = batch.len() == settings.batch;
            send_batch(batch, &mut delivery, resource).await;
        }
        let stopped = stop.is_cancelled();
        report.update(Loss::QueueFull.count(), stopped);
        if stopped && queue.waiting() == 0 {
            return;
        }
    }
}

async fn send_batch(batch: Vec<SpanData>, delivery: &mut Delivery<'_>, resource: &ResourceAttributesWithSchema) {
    let count = batch.len();
    if count == 0 {
        return;
    }
    let resource_spans = group_spans_by_resource_and_scope(batch, resource);
    match delivery.send(&ExportTraceServiceRequest { resource_spans }, count, "spans").await {
        Some(refused) => Loss::Refused.add(refused),
        None => Loss::NotSent.add(count as u64),
    }
}

/// What the log was told about spans that were dropped.
#[derive(Default)]
struct Report {
    told: u64,
    last: Option<Instant>,
}

impl Report {
    fn update(&mut self, dropped: u64, is_last: bool) {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL);
        if dropped > self.told && (is_due || is_last) {
            let new = dropped - self.told;
            log::line(format_args!(
                "{new} spans were dropped: requests end faster than the collector takes their spans"
            ));
            *self = Self { told: dropped, last: Some(Instant::now()) };
        }
    }
}
