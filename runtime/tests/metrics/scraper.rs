//! A scraper of a server under test.

use std::net::SocketAddr;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{Histogram, MetricFamily};
use prost::Message;
use test_support::{Connection, Response, Server, eventually};

/// What a scraper accepts that knows OpenMetrics.
pub const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";

/// What a scraper accepts that knows native histograms.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,*/*;q=0.1";

/// Asks for the metrics of one server.
pub struct Scraper {
    /// Where they are.
    pub address: SocketAddr,
}

/// Metrics in the text format.
pub struct Seen(String);

impl Scraper {
    /// Of a server that was started with `--metrics-listen`.
    pub fn of(server: &Server) -> Self {
        let line = server.stderr.line_with("metrics on http://");
        let (_, rest) = line.split_once("http://").expect("the line has a URL");
        let address = rest.split('/').next().unwrap_or_default();
        Self { address: address.parse().unwrap_or_else(|_| panic!("no address in {line:?}")) }
    }

    /// A scrape with this `accept`.
    #[track_caller]
    pub fn ask(&self, accept: &str) -> Response {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: metrics\r\nAccept: {accept}\r\n\r\n");
        let response = Connection::open(self.address).send(request).response();
        assert_eq!(response.status, 200, "{response:?}");
        response
    }

    /// A scrape in the text format.
    #[track_caller]
    pub fn scrape(&self) -> Seen {
        Seen(self.ask("*/*").text().to_owned())
    }

    /// Scrapes until the metrics are as expected.
    #[track_caller]
    pub fn eventually(&self, expected: impl Fn(&Seen) -> bool) -> Seen {
        eventually("the metrics are as expected", || Some(self.scrape()).filter(&expected))
    }

    /// The series of the requests' durations in messages, each with its labels.
    #[track_caller]
    pub fn histograms(&self, accept: &str) -> Vec<(Vec<String>, Histogram)> {
        let body = self.ask(accept).body;
        let mut rest = &body[..];
        let mut histograms = Vec::new();
        while !rest.is_empty() {
            let family = MetricFamily::decode_length_delimited(&mut rest).expect("a message");
            if family.name == "http_server_request_duration_seconds" {
                for metric in family.metric {
                    let labels = metric.label.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
                    histograms.push((labels, metric.histogram.expect("a histogram")));
                }
            }
        }
        histograms
    }
}

impl Seen {
    /// The sum of the series of that name that have these labels, each as `name=value`.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let values = self.lines(name, labels).into_iter().map(|line| {
            let (_, value) = line.rsplit_once(' ').expect("a series has a value");
            value.parse::<f64>().unwrap_or_else(|_| panic!("no number in {line:?}"))
        });
        values.sum()
    }

    /// The lines of these series.
    pub fn lines(&self, name: &str, labels: &[&str]) -> Vec<&str> {
        let quoted: Vec<_> = labels.iter().filter_map(|label| label.split_once('=')).collect();
        let is = |line: &&str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
            rest.is_some_and(|rest| quoted.iter().all(|(name, value)| rest.contains(&format!("{name}=\"{value}\""))))
        };
        self.0.lines().filter(is).collect()
    }
}
