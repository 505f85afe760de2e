//! Metrics on their way to the collector: all of them, again and again.

use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::settings;
use crate::metrics::Metrics;

/// Sends what `metrics` has until `stop`, and then once more.
pub(super) async fn send(
    metrics: &Metrics,
    settings: &settings::Metrics,
    resource: &ResourceAttributesWithSchema,
    stop: &CancellationToken,
) {
    let begun = SystemTime::now();
    let mut delivery = Delivery::new(&settings.target, stop);
    let mut ticks = interval(settings.interval);
    // After a collector that was slow, the next time is one interval later.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once.
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => {}
        }
        // What happens meanwhile is in the next message.
        let is_last = stop.is_cancelled();
        let metrics = metrics.otlp(settings.exponential, begun);
        let count = metrics.len();
        let scope = ScopeMetrics { scope: Some((&super::scope(), None).into()), metrics, ..ScopeMetrics::default() };
        let resource = Resource { attributes: resource.attributes.0.clone(), ..Resource::default() };
        let of_server =
            ResourceMetrics { resource: Some(resource), scope_metrics: vec![scope], ..ResourceMetrics::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![of_server] };
        delivery.send(&request, count, "metrics").await;
        if is_last {
            return;
        }
    }
}
