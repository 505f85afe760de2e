//! Lists of `NAME=VALUE` pairs: attributes of the resource, and headers.

use anyhow::Result;
use percent_encoding::percent_decode_str;

use super::Environment;

/// The attribute with the name of what sends.
pub(crate) const SERVICE_NAME: &str = opentelemetry_semantic_conventions::resource::SERVICE_NAME;

/// Attributes of the resource: `OTEL_SERVICE_NAME` wins over `OTEL_RESOURCE_ATTRIBUTES`.
pub(super) fn resource(environment: &Environment<'_>) -> Result<Vec<(String, String)>> {
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let expected = "NAME=VALUE pairs with commas between, such as deployment.environment.name=test,team=web";
    let mut attributes = environment.parse(name, expected, pairs)?.unwrap_or_default();
    if let Some(service) = environment.get("OTEL_SERVICE_NAME") {
        attributes.retain(|(name, _)| name != SERVICE_NAME);
        attributes.push((SERVICE_NAME.to_owned(), service));
    }
    Ok(attributes)
}

/// The pairs of a list. What is special in it is percent-encoded (W3C Baggage, to which the specification refers). Of two values of one
/// name the last one counts.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(|text| text.into_owned());
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (decode(name).filter(|name| !name.is_empty())?, decode(value)?);
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
    }
    Some(pairs)
}
