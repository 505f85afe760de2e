//! The counters as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use http::HeaderMap;
use http::header::ACCEPT;

use super::{Counters, ERRORS, LIMITS, SUM, limit};
use crate::json;

/// A form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own.
    Text,
    /// The standard that came of it. Names of families are without `_total` and `_info`, and the text has an end.
    OpenMetrics,
}

impl Format {
    /// OpenMetrics if the client asks for it, and does not like Prometheus' own format more (RFC 9110 §12.5.1).
    pub fn accepted(headers: &HeaderMap) -> Self {
        let (mut text, mut open) = (0, 0);
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let parameters = parts.filter_map(|part| part.split_once('='));
            let (mut weight, mut is_ours) = (1000, true);
            for (parameter, value) in parameters {
                match parameter {
                    "q" | "Q" => weight = thousandths(value),
                    "version" => is_ours = value.trim_matches('"') == "1.0.0",
                    _ => {}
                }
            }
            if name.eq_ignore_ascii_case("text/plain") {
                text = weight.max(text);
            } else if name.eq_ignore_ascii_case("application/openmetrics-text") && is_ours {
                open = weight.max(open);
            }
        }
        if open > 0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The value of `content-type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A weight, 0 to 1 with at most three decimals. 0 if it is something else.
fn thousandths(weight: &str) -> u16 {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = [whole, decimals, "000"].concat();
    let is_valid = whole.len() == 1 && decimals.len() <= 3;
    digits.get(..4).and_then(|digits| digits.parse().ok()).filter(|weight| is_valid && *weight <= 1000).unwrap_or(0)
}

/// The whole text.
pub fn text(format: Format, counters: &Counters, version: &str, revision: &str) -> String {
    let mut text = Text { format, text: String::new() };
    text.family("httpserver_build", "_info", "info", "Which build responds.");
    text.sample("httpserver_build_info", &[("version", version), ("revision", revision)], 1);
    text.family("httpserver_requests", "_total", "counter", "Responses of the component by route and status.");
    for ((route, code), number) in by_route_and_status(counters) {
        text.sample("httpserver_requests_total", &[("route", route), ("code", code)], number);
    }
    text.histogram(counters);
    text.family("httpserver_metrics_errors", "_total", "counter", "Responses that could not be counted.");
    text.sample("httpserver_metrics_errors_total", &[], counters.number(ERRORS));
    if format == Format::OpenMetrics {
        text.text.push_str("# EOF\n");
    }
    text.text
}

/// The number of responses for each route and status, sorted.
fn by_route_and_status(counters: &Counters) -> Vec<((&str, &str), i64)> {
    let mut sums: Vec<((&str, &str), i64)> = Vec::new();
    for (route, code, _, number) in counters.responses() {
        // Std's sort would add 10 KB to the component.
        match sums.binary_search_by(|(known, _)| known.cmp(&(route, code))) {
            Ok(known) => sums[known].1 += number,
            Err(place) => sums.insert(place, ((route, code), number)),
        }
    }
    sums
}

/// A text under construction.
struct Text {
    format: Format,
    text: String,
}

impl Text {
    /// The head of a family. Prometheus' own format has the name with its suffix, and no type `info`.
    fn family(&mut self, name: &str, suffix: &str, kind: &str, help: &str) {
        let (suffix, kind) = match self.format {
            Format::Text => (suffix, if kind == "info" { "gauge" } else { kind }),
            Format::OpenMetrics => ("", kind),
        };
        for line in [["# HELP ", name, suffix, " ", help], ["# TYPE ", name, suffix, " ", kind]] {
            line.iter().for_each(|part| self.text.push_str(part));
            self.text.push('\n');
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: i64) {
        self.name(name, labels);
        json::push_display(&mut self.text, value);
        self.text.push('\n');
    }

    /// Each bucket has the responses of the finer ones, too, and the last one has all.
    fn histogram(&mut self, counters: &Counters) {
        const NAME: &str = "httpserver_execution_latency_seconds";
        const STEP: (&str, &str) = ("step", "totals");
        let mut finest = [0; LIMITS + 1];
        counters.responses().for_each(|(_, _, bucket, number)| finest[bucket] += number);
        self.family(NAME, "", "histogram", "Seconds from the arrival of a request until its response is sent.");
        let bucket = [NAME, "_bucket"].concat();
        let mut count = 0;
        for (index, number) in finest.into_iter().enumerate() {
            count += number;
            let millis = limit(index).as_millis() as u64;
            let limit =
                if index < LIMITS { format!("{}.{:03}", millis / 1000, millis % 1000) } else { "+Inf".to_owned() };
            self.sample(&bucket, &[STEP, ("le", &limit)], count);
        }
        let micros = counters.number(SUM);
        self.name(&[NAME, "_sum"].concat(), &[STEP]);
        json::push_display(&mut self.text, format_args!("{}.{:06}\n", micros / 1_000_000, micros % 1_000_000));
        self.sample(&[NAME, "_count"].concat(), &[STEP], count);
    }

    /// The name of a sample, its labels, and a space.
    fn name(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.text.push_str(name);
        let mut separator = '{';
        for (label, value) in labels {
            self.text.push(separator);
            self.text.push_str(label);
            self.text.push_str("=\"");
            for character in value.chars() {
                // Line feeds would be escaped, too. No value has one.
                if matches!(character, '"' | '\\') {
                    self.text.push('\\');
                }
                self.text.push(character);
            }
            self.text.push('"');
            separator = ',';
        }
        self.text.push_str(if labels.is_empty() { " " } else { "} " });
    }
}
