use std::collections::BTreeMap;

use opentelemetry::trace::TraceId;

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Option<Settings>> {
    let pairs: BTreeMap<_, _> = pairs.iter().copied().collect();
    Settings::from_environment(&|name| pairs.get(name).map(|value| (*value).to_owned()))
}

/// The settings with an endpoint and these.
fn with(pairs: &[(&str, &str)]) -> Result<Settings> {
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")];
    read(&[&endpoint, pairs].concat()).map(|settings| settings.expect("an endpoint is set"))
}

#[track_caller]
fn urls(pairs: &[(&str, &str)]) -> [Option<String>; 2] {
    let settings = read(pairs).unwrap();
    let traces = settings.as_ref().and_then(|settings| settings.traces.as_ref());
    let metrics = settings.as_ref().and_then(|settings| settings.metrics.as_ref());
    [traces.map(|traces| traces.target.url.to_string()), metrics.map(|metrics| metrics.target.url.to_string())]
}

#[test]
fn without_an_endpoint_nothing_is_sent() {
    assert!(read(&[]).unwrap().is_none());
    assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", ""), ("OTEL_SERVICE_NAME", "a")]).unwrap().is_none());
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
    assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "false")]).unwrap().is_some());
    assert!(read(&[endpoint, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")]).unwrap().is_none());
}

#[test]
fn an_endpoint_is_a_base_and_that_of_a_signal_is_the_url() {
    let of = |traces: &str, metrics: &str| [Some(traces.to_owned()), Some(metrics.to_owned())];
    assert_eq!(
        urls(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")]),
        of("http://collector:4318/v1/traces", "http://collector:4318/v1/metrics")
    );
    assert_eq!(
        urls(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://[::1]/otlp/")]),
        of("https://[::1]/otlp/v1/traces", "https://[::1]/otlp/v1/metrics")
    );
    assert_eq!(
        urls(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/in")
        ]),
        of("http://traces:1/in", "http://collector:4318/v1/metrics")
    );
    assert_eq!(
        urls(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:1")]),
        [None, Some("http://metrics:1/".to_owned())]
    );
    let grpc = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert_eq!(
        urls(&grpc),
        of(
            "http://collector:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "http://collector:4317/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
        )
    );
}

#[test]
fn hosts_and_ports_are_those_of_the_url() {
    for (endpoint, host, port) in
        [("http://a:4318", "a", 4318), ("http://a", "a", 80), ("https://a", "a", 443), ("http://[::1]:5", "::1", 5)]
    {
        let target = with(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)]).unwrap().traces.unwrap().target;
        assert_eq!((target.host.as_str(), target.port), (host, port), "{endpoint}");
    }
}

#[test]
fn the_defaults_are_those_of_the_specification() {
    let settings = with(&[]).unwrap();
    let (traces, metrics) = (settings.traces.unwrap(), settings.metrics.unwrap());
    assert_eq!((traces.queue, traces.batch, traces.delay), (2048, 512, Duration::from_secs(5)));
    assert_eq!((metrics.interval, metrics.exponential), (Duration::from_secs(60), false));
    assert_eq!(traces.target.timeout, Duration::from_secs(10));
    assert_eq!((traces.target.protocol, traces.target.gzip), (Protocol::HttpProtobuf, false));
    assert!(traces.target.tls.is_none() && traces.target.headers.is_empty());
    assert_eq!(settings.resource, []);
}

#[test]
fn each_variable_has_its_effect_and_that_of_a_signal_wins() {
    let settings = with(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%3Db, x = 1 "),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "api-key=m"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5"),
        ("OTEL_PROPAGATORS", "baggage, tracecontext"),
    ])
    .unwrap();
    let (traces, metrics) = (settings.traces.unwrap(), settings.metrics.unwrap());
    assert_eq!((traces.target.protocol, metrics.target.protocol), (Protocol::Grpc, Protocol::HttpProtobuf));
    assert_eq!(
        (&traces.target.headers["api-key"], &traces.target.headers["x"]),
        (&"a=b".parse().unwrap(), &"1".parse().unwrap())
    );
    assert_eq!((&metrics.target.headers["api-key"], metrics.target.headers.len()), (&"m".parse().unwrap(), 1));
    assert_eq!((traces.target.timeout, metrics.target.timeout), (Duration::from_secs(3), Duration::from_secs(2)));
    assert_eq!((traces.target.gzip, metrics.target.gzip), (true, false));
    assert_eq!((metrics.exponential, metrics.interval), (true, Duration::from_secs(1)));
    assert_eq!((traces.delay, traces.queue, traces.batch), (Duration::from_millis(100), 10, 5));
    assert!(!format!("{traces:?}").contains("a=b"), "headers are secrets");
}

#[test]
fn a_small_queue_has_small_batches() {
    assert_eq!(with(&[("OTEL_BSP_MAX_QUEUE_SIZE", "10")]).unwrap().traces.unwrap().batch, 10);
}

#[test]
fn the_name_of_the_service_wins_over_the_list() {
    let list = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=x%20y,team=z%2C");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(with(&[list]).unwrap().resource, [pair("service.name", "a"), pair("team", "z,")]);
    let named = with(&[list, ("OTEL_SERVICE_NAME", "b")]).unwrap();
    assert_eq!(named.resource, [pair("team", "z,"), pair("service.name", "b")]);
}

#[test]
fn each_sampler_decides() {
    // The lower half of an id is what a ratio is compared with.
    let (low, high) = (TraceId::from_bytes([1; 16]), TraceId::from_bytes([0xff; 16]));
    for (sampler, argument, expected) in [
        // Without a parent: a low id, a high one. With the low one: a parent that is traced, one that is not.
        ("", None, [true, true, true, false]),
        ("always_on", None, [true, true, true, true]),
        ("always_off", None, [false, false, false, false]),
        ("traceidratio", Some("0.5"), [true, false, true, true]),
        ("traceidratio", None, [true, true, true, true]),
        ("traceidratio", Some("0"), [false, false, false, false]),
        ("parentbased_always_on", None, [true, true, true, false]),
        ("parentbased_always_off", None, [false, false, true, false]),
        ("ParentBased_TraceIdRatio", Some("0.5"), [true, false, true, false]),
    ] {
        let mut pairs = vec![("OTEL_TRACES_SAMPLER", sampler)];
        pairs.extend(argument.map(|argument| ("OTEL_TRACES_SAMPLER_ARG", argument)));
        let sampling = with(&pairs).unwrap().traces.unwrap().sampling;
        let decided = [(low, None), (high, None), (low, Some(true)), (low, Some(false))];
        assert_eq!(decided.map(|(id, parent)| sampling.decide(id, parent)), expected, "{sampler} {argument:?}");
    }
}

#[test]
fn a_bad_value_is_named_with_what_was_expected() {
    for (name, value, expected) in [
        ("OTEL_SDK_DISABLED", "yes", "invalid OTEL_SDK_DISABLED \"yes\": expected false or true"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4318",
            "invalid OTEL_EXPORTER_OTLP_ENDPOINT \"collector:4318\": expected a URL, such as http://collector:4318",
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://a", "invalid OTEL_EXPORTER_OTLP_ENDPOINT \"ftp://a\": expected a URL"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://u:p@a", "invalid OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "invalid OTEL_EXPORTER_OTLP_PROTOCOL \"http/json\": expected http/protobuf or grpc",
        ),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "udp", "invalid OTEL_EXPORTER_OTLP_METRICS_PROTOCOL \"udp\""),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "invalid OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE pairs"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "invalid OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE pairs"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "invalid OTEL_EXPORTER_OTLP_TIMEOUT \"10s\": expected milliseconds"),
        (
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "zstd",
            "invalid OTEL_EXPORTER_OTLP_COMPRESSION \"zstd\": expected none or gzip",
        ),
        ("OTEL_TRACES_EXPORTER", "console", "invalid OTEL_TRACES_EXPORTER \"console\": expected otlp or none"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "invalid OTEL_METRICS_EXPORTER \"prometheus\": expected otlp or none"),
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "invalid OTEL_TRACES_SAMPLER \"jaeger_remote\": expected one of always_on, ",
        ),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5", "invalid OTEL_TRACES_SAMPLER_ARG \"0.5\": expected to be unset, or "),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", "invalid OTEL_RESOURCE_ATTRIBUTES \"team\": expected NAME=VALUE pairs"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "invalid OTEL_BSP_SCHEDULE_DELAY \"0\": expected milliseconds, at least 1"),
        (
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "100000",
            "invalid OTEL_BSP_MAX_QUEUE_SIZE \"100000\": expected a number from 1 to 65536",
        ),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", "invalid OTEL_BSP_MAX_EXPORT_BATCH_SIZE \"0\": expected a number"),
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "4096",
            "invalid OTEL_BSP_MAX_EXPORT_BATCH_SIZE \"4096\": expected at most OTEL_BSP_MAX_QUEUE_SIZE, 2048",
        ),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "invalid OTEL_METRIC_EXPORT_INTERVAL \"-1\": expected milliseconds"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "delta",
            "invalid OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE \"delta\": expected cumulative",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "x",
            "invalid OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION \"x\"",
        ),
        ("OTEL_PROPAGATORS", "b3", "invalid OTEL_PROPAGATORS \"b3\": expected a list with tracecontext"),
    ] {
        let error = with(&[(name, value)]).err().unwrap_or_else(|| panic!("{name}={value} is accepted")).to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "1.5")];
    let error = with(&ratio).unwrap_err().to_string();
    assert_eq!(error, "invalid OTEL_TRACES_SAMPLER_ARG \"1.5\": expected a number from 0 to 1, such as 0.01");
}

#[test]
fn files_for_tls_are_read_at_start() {
    let https = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://a");
    let error = |pairs: &[(&str, &str)]| with(&[&[https], pairs].concat()).unwrap_err().to_string();
    for file in ["/no/such/file", "/dev/null"] {
        let expected =
            format!("invalid OTEL_EXPORTER_OTLP_CERTIFICATE \"{file}\": expected a file with certificates in PEM");
        assert!(error(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", file)]).starts_with(&expected));
        let expected =
            format!("invalid OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY \"{file}\": expected a file with a private key");
        assert!(error(&[("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", file)]).starts_with(&expected));
    }
    assert!(with(&[https]).is_ok(), "the authorities that browsers trust");
}
