//! Metrics that the server sends.

use serde_json::Value;
use test_support::{Collector, Signal};

use super::{app, http};

const DURATION: &str = "http.server.request.duration";

/// The points of the newest metric of that name, once there is one that `found` accepts.
#[track_caller]
fn points(collector: &Collector, name: &str, kind: &str, found: impl Fn(&Value) -> bool) -> Vec<Value> {
    let metric = collector.metric(name, |metric| {
        metric.name == name
            && metric.json[kind]["dataPoints"].as_array().is_some_and(|points| points.iter().any(&found))
    });
    metric.json[kind]["dataPoints"].as_array().cloned().expect("it was found")
}

/// Whether a point of a metric has these attributes.
fn has(point: &Value, expected: &[(&str, &str)]) -> bool {
    let attributes = test_support::attributes(point);
    expected.iter().all(|(name, value)| attributes.get(*name).is_some_and(|found| found == value))
}

#[test]
fn metrics_arrive_in_both_forms_of_a_histogram() {
    let collector = Collector::start();
    for (aggregation, kind) in
        [("explicit_bucket_histogram", "histogram"), ("base2_exponential_bucket_histogram", "exponentialHistogram")]
    {
        let server = app(&http(&collector))
            .env("OTEL_METRIC_EXPORT_INTERVAL", "100")
            .env("OTEL_SERVICE_NAME", kind)
            .env("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", aggregation)
            .start();
        for _ in 0..3 {
            server.get("/healthz");
        }
        server.get("/status/503");
        let healthy = [("http.request.method", "GET"), ("http.response.status_code", "200"), ("http.route", "/...")];
        let points = points(&collector, DURATION, kind, |point| point["count"] == "3" && has(point, &healthy));
        let point = points.iter().find(|point| has(point, &healthy)).expect("it was found");
        assert!(has(point, &[("url.scheme", "http"), ("network.protocol.version", "1.1")]), "{point}");
        let buckets = if kind == "histogram" { &point["bucketCounts"] } else { &point["positive"]["bucketCounts"] };
        let counts = buckets.as_array().expect("buckets").iter();
        let sum: u64 =
            counts.map(|count| count.as_str().and_then(|count| count.parse::<u64>().ok()).expect("a number")).sum();
        assert_eq!(sum, 3, "{point}");
        let seconds = point["sum"].as_f64().expect("a sum");
        assert!(seconds > 0.0 && seconds < 20.0, "{point}");
        if kind == "histogram" {
            assert_eq!(point["explicitBounds"].as_array().map(Vec::len), Some(14));
            assert!(point["exemplars"][0]["traceId"].is_string(), "{point}");
        } else {
            // Each bucket of scale 3 begins at 2^(index/8) s.
            let offset = point["positive"]["offset"].as_f64().expect("an offset");
            let least = seconds / 3.0 / 2.0_f64.powf(1.0 / 8.0);
            assert_eq!(point["scale"], 3);
            assert!((offset / 8.0).exp2() <= seconds / 3.0, "{point}");
            let length = buckets.as_array().map_or(0, Vec::len) as f64;
            assert!(((offset + length) / 8.0).exp2() >= least, "{point}");
        }
        assert!(has_failed(&points), "{points:?}");
    }
}

fn has_failed(points: &[Value]) -> bool {
    points.iter().any(|point| has(point, &[("http.response.status_code", "503"), ("error.type", "503")]))
}

#[test]
fn the_last_metrics_are_sent_before_the_end_and_lost_spans_are_among_them() {
    let collector = Collector::start();
    // Nobody listens for traces.
    let mut server = app(&http(&collector))
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
        .start();
    server.get("/healthz");
    server.stderr.line_with("cannot send 1 spans");
    assert_eq!(collector.metrics().len(), 0, "a minute has not passed");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    points(&collector, DURATION, "histogram", |point| point["count"] == "1");
    points(&collector, "httpserver.spans.lost", "sum", |point| {
        has(point, &[("reason", "not_sent")]) && point["asInt"] == "1"
    });
    points(&collector, "http.server.active_requests", "sum", |point| has(point, &[("http.request.method", "GET")]));
}
