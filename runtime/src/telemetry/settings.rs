//! The standard variables `OTEL_*`: what is sent, how much of it, and where to.
//!
//! They come as a function, as everything that a container sets: the process of the shim has containerd's environment. A value that
//! means nothing is an error at start, because nobody would miss a trace that was never sent until it is needed.

mod attributes;
mod sampler;
mod target;

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

pub(crate) use sampler::Sampling;
pub(crate) use target::{Protocol, Target};

/// How long a span waits for others to be sent with, by default: of the specification, as the other defaults here.
const SCHEDULE_DELAY: Duration = Duration::from_secs(5);

/// Spans that wait to be sent, by default.
const QUEUE_SIZE: usize = 2048;

/// The most spans that wait. Each takes up to 4 KiB.
const LARGEST_QUEUE: usize = 65_536;

/// Spans that are sent together, by default.
const BATCH_SIZE: usize = 512;

/// The time between two exports of metrics, by default.
const METRIC_INTERVAL: Duration = Duration::from_secs(60);

/// What to send and where to.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) traces: Option<Traces>,
    pub(crate) metrics: Option<Metrics>,
    /// Attributes of what sends: `service.name` and others.
    pub(crate) resource: Vec<(String, String)>,
}

/// How traces are sent.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    pub(crate) target: Target,
    pub(crate) sampling: Sampling,
    /// Spans that may wait. One more is dropped.
    pub(crate) queue: usize,
    /// Spans that are sent together.
    pub(crate) batch: usize,
    /// How long a span waits for others.
    pub(crate) delay: Duration,
}

/// How metrics are sent.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) target: Target,
    pub(crate) interval: Duration,
    /// Whether histograms have buckets whose size grows with the value, and not those of the semantic conventions.
    pub(crate) exponential: bool,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

/// Where the variables come from.
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Settings {
    /// Reads the variables. `None` if no endpoint is set, or if `OTEL_SDK_DISABLED` is `true`.
    ///
    /// # Errors
    /// A variable has an invalid value, or a file that it names cannot be read.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let environment = &Environment(get);
        if environment.flag("OTEL_SDK_DISABLED")? {
            return Ok(None);
        }
        let traces =
            Target::read(environment, Signal::Traces)?.map(|target| traces(environment, target)).transpose()?;
        let metrics =
            Target::read(environment, Signal::Metrics)?.map(|target| metrics(environment, target)).transpose()?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { traces, metrics, resource: attributes::resource(environment)? }))
    }

    /// Whether metrics are sent.
    pub(crate) fn sends_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    /// The ports that are connected to.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        let targets = self.traces.iter().map(|traces| &traces.target);
        targets.chain(self.metrics.iter().map(|metrics| &metrics.target)).map(|target| target.port)
    }
}

fn traces(environment: &Environment<'_>, target: Target) -> Result<Traces> {
    let propagators = environment.get("OTEL_PROPAGATORS").unwrap_or_else(|| "tracecontext".to_owned());
    ensure!(
        propagators.split(',').any(|name| name.trim() == "tracecontext"),
        "invalid OTEL_PROPAGATORS \"{propagators}\": expected a list with tracecontext, such as tracecontext,baggage"
    );
    let number = "a number from 1 to 65536, such as 2048";
    let count = |text: &str| text.parse().ok().filter(|count| (1..=LARGEST_QUEUE).contains(count));
    let queue = environment.parse("OTEL_BSP_MAX_QUEUE_SIZE", number, count)?.unwrap_or(QUEUE_SIZE);
    let batch = environment.parse("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", number, count)?.unwrap_or(BATCH_SIZE.min(queue));
    ensure!(
        batch <= queue,
        "invalid OTEL_BSP_MAX_EXPORT_BATCH_SIZE \"{batch}\": expected at most OTEL_BSP_MAX_QUEUE_SIZE, {queue}"
    );
    Ok(Traces {
        target,
        sampling: Sampling::read(environment)?,
        queue,
        batch,
        delay: environment.milliseconds("OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY)?,
    })
}

fn metrics(environment: &Environment<'_>, target: Target) -> Result<Metrics> {
    // What is counted is never reset, so that two readers can have it.
    environment.one_of("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", &["cumulative"])?;
    let histogram = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let histogram =
        environment.one_of(histogram, &["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])?;
    Ok(Metrics {
        target,
        interval: environment.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", METRIC_INTERVAL)?,
        exponential: histogram == Some(1),
    })
}

impl Signal {
    /// The name of a variable that may be set for this signal alone: of `OTEL_EXPORTER_OTLP_TIMEOUT` it is
    /// `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT`.
    fn variable(self, name: &str) -> String {
        let signal = match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        };
        format!("OTEL_EXPORTER_OTLP_{signal}_{name}")
    }
}

impl Environment<'_> {
    /// The value of `name`. An empty one counts as absent, as the specification says.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The value of `OTEL_EXPORTER_OTLP_…` for that signal, or else for all signals, with the name of the variable that has it.
    fn of_exporter(&self, signal: Signal, name: &str) -> Option<(String, String)> {
        let names = [signal.variable(name), format!("OTEL_EXPORTER_OTLP_{name}")];
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    fn parse<T>(&self, name: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let value = self.get(name);
        value.map(|value| parse(&value).ok_or_else(|| invalid(name, &value, expected))).transpose()
    }

    fn milliseconds(&self, name: &str, default: Duration) -> Result<Duration> {
        Ok(self.parse(name, MILLISECONDS, milliseconds)?.unwrap_or(default))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.one_of(name, &["false", "true"])? == Some(1))
    }

    /// Which of `values` it is.
    fn one_of(&self, name: &str, values: &[&str]) -> Result<Option<usize>> {
        self.parse(name, &values.join(" or "), |value| one_of(value, values))
    }
}

fn one_of(value: &str, values: &[&str]) -> Option<usize> {
    values.iter().position(|known| known.eq_ignore_ascii_case(value))
}

/// What [`milliseconds`] accepts.
const MILLISECONDS: &str = "milliseconds, at least 1, such as 5000";

fn milliseconds(text: &str) -> Option<Duration> {
    u64::from_str(text).ok().filter(|&milliseconds| milliseconds > 0).map(Duration::from_millis)
}

fn invalid(name: &str, value: &str, expected: impl Display) -> anyhow::Error {
    anyhow!("invalid {name} \"{value}\": expected {expected}")
}

#[cfg(test)]
mod tests;
