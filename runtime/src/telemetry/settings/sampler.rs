//! Which requests are traced.

use anyhow::Result;
use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

use super::{Environment, invalid, one_of};

/// The values of `OTEL_TRACES_SAMPLER`. The second half are those that do as the caller does.
const NAMES: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// The index of the default.
const DEFAULT: usize = 3;

/// Decides which requests are traced.
#[derive(Debug, Clone)]
pub(crate) struct Sampling {
    /// Whether a request that belongs to a trace is traced if its caller is.
    parent_based: bool,
    sampler: Sampler,
}

impl Sampling {
    pub(super) fn read(environment: &Environment<'_>) -> Result<Self> {
        let name = "OTEL_TRACES_SAMPLER";
        let expected = format!("one of {}", NAMES.join(", "));
        let index = environment.parse(name, &expected, |value| one_of(value, &NAMES))?.unwrap_or(DEFAULT);
        let ratio = |text: &str| text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        let argument = "OTEL_TRACES_SAMPLER_ARG";
        let sampler = match index % 3 {
            0 => Sampler::AlwaysOn,
            1 => Sampler::AlwaysOff,
            _ => {
                let ratio = environment.parse(argument, "a number from 0 to 1, such as 0.01", ratio)?;
                Sampler::TraceIdRatioBased(ratio.unwrap_or(1.0))
            }
        };
        // It would mean nothing.
        if let Some(value) = environment.get(argument)
            && index % 3 != 2
        {
            let samplers = "to be unset, or OTEL_TRACES_SAMPLER to be traceidratio or parentbased_traceidratio";
            return Err(invalid(argument, &value, samplers));
        }
        Ok(Self { parent_based: index >= DEFAULT, sampler })
    }

    /// Whether a request is traced. `parent` says whether its caller records the trace, if it has one.
    pub(crate) fn decide(&self, trace: TraceId, parent: Option<bool>) -> bool {
        match parent {
            Some(sampled) if self.parent_based => sampled,
            _ => {
                let result = self.sampler.should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
                result.decision == SamplingDecision::RecordAndSample
            }
        }
    }
}
