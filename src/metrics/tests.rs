use super::exposition::{Format, text};
use super::*;
use crate::router::ROUTES;
use crate::testing::{TestHost, header_map, request_head};
use crate::{Outcome, respond};

fn on() -> TestHost {
    TestHost::with([("metrics", "on")])
}

/// A request whose response took that long.
fn request(host: &TestHost, method: &str, target: &str, duration: Duration) {
    let (Outcome { observation, .. }, _) = respond(request_head(method, target, &[]), host);
    if let Some(observation) = observation {
        observation.record(duration, host);
    }
}

fn exposition(host: &TestHost, format: Format) -> String {
    text(format, &Counters::read(host).unwrap(), "v\"1\\", "abc")
}

#[test]
fn a_response_is_two_calls_of_the_store() {
    let host = on();
    request(&host, "GET", "/hello?user=ada", Duration::from_micros(1500));
    assert_eq!(*host.adds.borrow(), [("metrics/200/1/hello".to_owned(), 1), ("metrics/sum".to_owned(), 1500)]);
}

#[test]
fn with_metrics_off_nothing_calls_the_store() {
    let host = TestHost::default();
    for route in ROUTES {
        for method in ["GET", "POST", "OPTIONS", "G T"] {
            request(&host, method, route.path, Duration::ZERO);
        }
    }
    assert_eq!((host.adds.borrow().len(), host.listings.get()), (0, 0));
}

#[test]
fn a_duration_is_in_the_finest_bucket_that_it_fits_into() {
    let cases = [(0, 0), (1_000_000, 0), (1_000_001, 1), (2_000_000, 1), (16_384_000_000, 14), (16_384_000_001, 15)];
    for (nanos, expected) in cases {
        assert_eq!(bucket(Duration::from_nanos(nanos)), expected, "{nanos}");
    }
}

#[test]
fn no_path_method_or_query_makes_a_new_series() {
    let host = on();
    for number in 0..10_000 {
        request(&host, "GET", &format!("/{number}/{number}?{number}"), Duration::ZERO);
        request(&host, &format!("M{number}"), &format!("/no/{number}"), Duration::ZERO);
        request(&host, &format!("M{number}"), "/healthz", Duration::ZERO);
        request(&host, "GET", &format!("/delay/x{number}"), Duration::ZERO);
    }
    let mut keys: Vec<_> = host.counters().unwrap().into_iter().map(|(key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, ["metrics/200/0/", "metrics/400/0/delay/{seconds}", "metrics/405/0/healthz", "metrics/sum"]);
}

#[test]
fn the_number_of_keys_has_a_limit_that_is_below_the_runtimes() {
    let host = on();
    for bucket in 0..=LIMITS {
        for code in 0..1000 {
            request(&host, "GET", &format!("/status/{code}"), limit(bucket));
        }
        for route in ROUTES.iter().filter(|route| !route.path.starts_with("/status")) {
            for method in ["GET", "POST", "OPTIONS", "G T"] {
                request(&host, method, route.path, limit(bucket));
            }
        }
    }
    let keys = host.counters().unwrap();
    assert!((6400..7554).contains(&keys.len()), "{}", keys.len());
    let longest = keys.iter().map(|(key, _)| key.len()).max();
    assert!(longest <= Some(32), "{longest:?}");
    let text = exposition(&host, Format::Text);
    assert!(text.len() < 64 << 10, "{}", text.len());
}

#[test]
fn a_rejected_request_counts_for_the_route_that_it_names() {
    let host = on();
    for target in ["no-slash", "/healthz"] {
        let (outcome, _) = respond(request_head("G T", target, &[]), &host);
        outcome.observation.unwrap().record(Duration::ZERO, &host);
    }
    let counted: Vec<_> = host.adds.borrow().iter().map(|(key, _)| key.clone()).filter(|key| key != SUM).collect();
    assert_eq!(counted, ["metrics/400/0/", "metrics/400/0/healthz"]);
}

#[test]
fn the_text_has_cumulative_buckets_a_sum_and_a_count() {
    let host = on();
    request(&host, "GET", "/b", Duration::from_micros(250));
    request(&host, "GET", "/hello", Duration::from_micros(1_500));
    request(&host, "GET", "/a", Duration::from_secs(60));
    request(&host, "PUT", "/healthz", Duration::from_micros(999));
    let expected = r#"# HELP httpserver_build_info Which build responds.
# TYPE httpserver_build_info gauge
httpserver_build_info{version="v\"1\\",revision="abc"} 1
# HELP httpserver_requests_total Responses of the component by route and status.
# TYPE httpserver_requests_total counter
httpserver_requests_total{route="/",code="200"} 2
httpserver_requests_total{route="/healthz",code="405"} 1
httpserver_requests_total{route="/hello",code="200"} 1
# HELP httpserver_execution_latency_seconds Seconds from the arrival of a request until its response is sent.
# TYPE httpserver_execution_latency_seconds histogram
httpserver_execution_latency_seconds_bucket{step="totals",le="0.001"} 2
httpserver_execution_latency_seconds_bucket{step="totals",le="0.002"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.004"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.008"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.016"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.032"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.064"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.128"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.256"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="0.512"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="1.024"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="2.048"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="4.096"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="8.192"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="16.384"} 3
httpserver_execution_latency_seconds_bucket{step="totals",le="+Inf"} 4
httpserver_execution_latency_seconds_sum{step="totals"} 60.002749
httpserver_execution_latency_seconds_count{step="totals"} 4
# HELP httpserver_metrics_errors_total Responses that could not be counted.
# TYPE httpserver_metrics_errors_total counter
httpserver_metrics_errors_total 0
"#;
    assert_eq!(exposition(&host, Format::Text), expected);
}

#[test]
fn openmetrics_has_other_names_of_families_and_an_end() {
    let host = on();
    request(&host, "GET", "/", Duration::ZERO);
    let (open, plain) = (exposition(&host, Format::OpenMetrics), exposition(&host, Format::Text));
    for family in ["httpserver_build info", "httpserver_requests counter", "httpserver_metrics_errors counter"] {
        assert!(open.contains(&format!("# TYPE {family}\n")), "{open}");
    }
    assert!(open.ends_with("\n# EOF\n"));
    let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(samples(&open), samples(&plain));
}

#[test]
fn the_format_is_the_one_that_the_client_likes_most() {
    let open = "application/openmetrics-text";
    for (accept, expected) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/plain", Format::Text),
        (open, Format::OpenMetrics),
        ("Application/OpenMetrics-Text; Version=1.0.0", Format::OpenMetrics),
        (&format!("{open};version=\"1.0.0\""), Format::OpenMetrics),
        (&format!("{open};version=0.0.1"), Format::Text),
        (&format!("{open};q=0"), Format::Text),
        (&format!("{open};q=0.5,text/plain;q=0.6"), Format::Text),
        (&format!("{open};q=0.6,text/plain;q=0.6"), Format::OpenMetrics),
        (&format!("{open};q=2"), Format::Text),
        (&format!("{open};q=-1"), Format::Text),
        // Prometheus 3.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        ),
    ] {
        assert_eq!(Format::accepted(&header_map(&[("accept", accept)])), expected, "{accept}");
    }
    let two = header_map(&[("accept", "text/plain;q=0.1"), ("accept", open)]);
    assert_eq!(Format::accepted(&two), Format::OpenMetrics);
}

#[test]
fn a_store_that_fails_fails_no_request_and_what_it_missed_is_counted() {
    let host = on();
    exposition(&host, Format::Text);
    request(&host, "GET", "/", Duration::ZERO);
    // As a full one: it adds only to what is there.
    let host = host.with_full_store();
    request(&host, "GET", "/", Duration::ZERO);
    request(&host, "GET", "/hello", Duration::ZERO);
    let text = exposition(&host, Format::Text);
    for line in ["route=\"/\",code=\"200\"} 2\n", "_count{step=\"totals\"} 2\n", "httpserver_metrics_errors_total 1\n"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}
