//! The way to the collector, and when a span takes it.

use test_support::tls::Identity;
use test_support::{Collector, Signal, eventually};

use super::{app, grpc, http, span_of};

#[test]
fn each_protocol_arrives_with_and_without_compression() {
    let collector = Collector::start();
    for (protocol, endpoint) in [("http/protobuf", http(&collector)), ("grpc", grpc(&collector))] {
        for compression in ["none", "gzip"] {
            let server = app(&endpoint)
                .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
                .env("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
                .start();
            let path = format!("/{protocol}/{compression}");
            server.get(&path);
            span_of(&collector, &path);
            // A second time, over the same connection.
            server.get(&format!("{path}/again"));
            span_of(&collector, &format!("{path}/again"));
        }
    }
}

#[test]
fn a_collector_with_tls_has_to_show_a_certificate_that_is_trusted() {
    let identity = Identity::generate();
    let collector = Collector::with_tls(&identity);
    let secure = |address: &str| format!("https://localhost:{}", address.rsplit(':').next().expect("a port"));
    for (protocol, endpoint) in [("http/protobuf", secure(&collector.http)), ("grpc", secure(&collector.grpc))] {
        let app = || app(&endpoint).env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        let trusting = app().env("OTEL_EXPORTER_OTLP_CERTIFICATE", identity.certificate()).start();
        trusting.get(&format!("/{protocol}"));
        span_of(&collector, &format!("/{protocol}"));
        let careful = app().env("OTEL_EXPORTER_OTLP_TIMEOUT", "500").start();
        careful.get("/careful");
        let line = careful.stderr.line_with("cannot send 1 spans");
        assert!(line.contains("UnknownIssuer"), "{line}");
    }
    assert!(collector.spans().iter().all(|span| span.attributes["url.path"] != "/careful"));
}

#[test]
fn what_waits_at_the_signal_is_sent_before_the_end() {
    let collector = Collector::start();
    let mut server = app(&http(&collector)).env("OTEL_BSP_SCHEDULE_DELAY", "3600000").start();
    for n in 0..100 {
        server.get(&format!("/{n}"));
    }
    assert_eq!(collector.spans().len(), 0, "an hour has not passed");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    eventually("all spans are there", || (collector.spans().len() == 100).then_some(()));
}

#[test]
fn a_full_batch_is_sent_before_its_time() {
    let collector = Collector::start();
    let server = app(&http(&collector))
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
        .start();
    for n in 0..10 {
        server.get(&format!("/{n}"));
    }
    eventually("a batch is there", || (collector.spans().len() == 10).then_some(()));
}
