//! Which format a scraper gets: the one that it likes best (RFC 9110 §12.5.1) of those that there are.

/// A format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0, which has exemplars.
    OpenMetrics,
    /// Prometheus' messages, which have exemplars and native histograms.
    Protobuf,
}

impl Format {
    /// The format for a request with this `accept`, if it has one.
    pub(super) fn negotiate(accept: Option<&str>) -> Self {
        let ranges = accept.unwrap_or_default().split(',').filter_map(|range| {
            let mut parameters = range.split(';').map(str::trim);
            let media_type = parameters.next()?.to_ascii_lowercase();
            let parameters: Vec<_> = parameters.filter_map(|parameter| parameter.split_once('=')).collect();
            let value = |name: &str| {
                let found = parameters.iter().find(|(known, _)| known.trim().eq_ignore_ascii_case(name))?;
                Some(found.1.trim().trim_matches('"'))
            };
            let quality: f32 = value("q").map_or(Some(1.0), |q| q.parse().ok())?;
            Some((Self::of(&media_type, value)?, quality)).filter(|(_, quality)| *quality > 0.0)
        });
        // Of several with the same quality the first one.
        ranges.fold((Self::Text, 0.0), |best, next| if next.1 > best.1 { next } else { best }).0
    }

    fn of<'a>(media_type: &str, parameter: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let is = |name, expected| parameter(name).is_none_or(|value| value == expected);
        match media_type {
            "application/vnd.google.protobuf" => (is("proto", "io.prometheus.client.MetricFamily")
                && is("encoding", "delimited"))
            .then_some(Self::Protobuf),
            "application/openmetrics-text" => is("version", "1.0.0").then_some(Self::OpenMetrics),
            "text/plain" => is("version", "0.0.4").then_some(Self::Text),
            "text/*" | "*/*" => Some(Self::Text),
            _ => None,
        }
    }

    /// The value of `content-type`.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus 3 sends, without and with `scrape_native_histograms`.
    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    const NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1";

    #[test]
    fn a_scraper_gets_what_it_likes_best() {
        let cases = [
            (None, Format::Text),
            (Some(""), Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/html"), Format::Text),
            (Some(PROMETHEUS), Format::OpenMetrics),
            (Some(NATIVE), Format::Protobuf),
            (Some("application/openmetrics-text; version=1.0.0, text/plain"), Format::OpenMetrics),
            (Some("text/plain, application/openmetrics-text"), Format::Text),
            (Some("application/openmetrics-text;q=0.1, text/plain;q=0.2"), Format::Text),
            (Some("Application/OpenMetrics-Text; Version=\"1.0.0\""), Format::OpenMetrics),
            (Some("application/openmetrics-text;version=2.0.0"), Format::Text),
            (Some("application/openmetrics-text;q=0, */*"), Format::Text),
            (Some("application/vnd.google.protobuf;proto=other.Message;encoding=delimited"), Format::Text),
            (
                Some("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text"),
                Format::Text,
            ),
            (Some(";;=,,q"), Format::Text),
        ];
        for (accept, expected) in cases {
            assert_eq!(Format::negotiate(accept), expected, "{accept:?}");
        }
    }
}
