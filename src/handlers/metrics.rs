//! `/metrics`: the counters for Prometheus.

use http::StatusCode;

use super::{Context, Result};
use crate::config;
use crate::metrics::Counters;
use crate::metrics::exposition::{self, Format};
use crate::problem::{Problem, quoted};
use crate::response::{Body, Outcome};

/// The counters as text, in the format that the client asks for. 404 if the metrics are off, 503 if the store fails.
pub fn handle(context: &Context) -> Result {
    if !config::METRICS.read(context.host) {
        let detail = "metrics are off: set the variable metrics to on, such as SPIN_VARIABLE_METRICS=on";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    let counters = Counters::read(context.host).map_err(|reason| {
        let detail = format!("cannot read the metrics in the key-value store: {}", quoted(&reason));
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let format = Format::accepted(context.request.headers());
    let version = config::VERSION.read(context.host);
    let version = version.to_str().expect("a version is visible ASCII");
    let text = exposition::text(format, &counters, version, env!("HTTPSERVER_GIT_COMMIT"));
    Ok(Outcome::new(StatusCode::OK, format.content_type(), Body::Text(text.into())))
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, get};

    #[test]
    fn is_404_and_says_how_to_turn_it_on() {
        let detail = "metrics are off: set the variable metrics to on, such as SPIN_VARIABLE_METRICS=on";
        assert_eq!(get("/metrics").detail(404), detail);
    }

    #[test]
    fn has_the_format_that_is_asked_for() {
        let host = TestHost::with([("metrics", "on")]);
        let text = host.get("/metrics");
        assert_eq!((text.status(), text.field("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
        let open = host.send("GET", "/metrics", &[("accept", "application/openmetrics-text; version=1.0.0")]);
        assert_eq!(open.field("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(open.body().ends_with("\n# EOF\n") && !text.body().contains("EOF"));
    }

    #[test]
    fn is_503_and_says_why_if_the_store_fails() {
        let host = TestHost::with([("metrics", "on")]).with_broken_store("no\nstore");
        let detail = r#"cannot read the metrics in the key-value store: "no\nstore""#;
        assert_eq!(host.get("/metrics").detail(503), detail);
    }
}
