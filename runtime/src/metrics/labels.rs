//! The label sets of the request metrics, by OpenTelemetry's semantic conventions: a label that does not apply is absent.

use std::fmt::Error;

use http::{Method, StatusCode, Version};
use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use crate::observation::{ErrorType, Exchange};

/// What distinguishes the series of `http_server_request_duration_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RequestLabels {
    pub(super) active: ActiveLabels,
    version: Version,
    route: Option<&'static str>,
    status: Option<StatusCode>,
    error: Option<ErrorType>,
}

/// What distinguishes the series of `http_server_active_requests`: all that is known when a request begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ActiveLabels {
    /// The place in [`METHODS`].
    method: usize,
    https: bool,
}

/// The methods that the conventions know, and the name for all others: a client can invent as many as it likes.
const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY", OTHER];

/// A method that they do not know.
pub(crate) const OTHER: &str = "_OTHER";

impl ActiveLabels {
    /// How many there are.
    pub(super) const COUNT: usize = 2 * METHODS.len();

    pub(super) fn of(exchange: &Exchange) -> Self {
        Self { method: place(&exchange.method), https: exchange.https }
    }

    /// The place among all.
    pub(super) fn index(self) -> usize {
        2 * self.method + usize::from(self.https)
    }

    /// The same as OpenTelemetry's attributes.
    pub(super) fn attributes(self) -> Vec<KeyValue> {
        vec![
            KeyValue::new(attribute::HTTP_REQUEST_METHOD, METHODS[self.method]),
            KeyValue::new(attribute::URL_SCHEME, if self.https { "https" } else { "http" }),
        ]
    }

    /// All, by their places.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..METHODS.len()).flat_map(|method| [false, true].map(|https| Self { method, https }))
    }
}

impl RequestLabels {
    /// Those of a request that has ended.
    pub(super) fn of(exchange: &Exchange) -> Self {
        let Exchange { version, route, status, error, .. } = *exchange;
        Self { active: ActiveLabels::of(exchange), version, route, status, error }
    }

    /// The same as OpenTelemetry's attributes.
    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = self.active.attributes();
        attributes.push(KeyValue::new(attribute::NETWORK_PROTOCOL_VERSION, version_name(self.version)));
        attributes.extend(self.route.map(|route| KeyValue::new(attribute::HTTP_ROUTE, route)));
        let status = self.status.map(|status| i64::from(status.as_u16()));
        attributes.extend(status.map(|status| KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, status)));
        attributes.extend(self.error.map(|error| KeyValue::new(attribute::ERROR_TYPE, error.name().to_owned())));
        attributes
    }
}

/// `network.protocol.version`.
pub(crate) fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// `http.request.method`.
pub(crate) fn method_name(method: &Method) -> &'static str {
    METHODS[place(method)]
}

fn place(method: &Method) -> usize {
    let known = METHODS.iter().position(|&known| known == method.as_str());
    known.unwrap_or(METHODS.len() - 1)
}

impl EncodeLabelSet for ActiveLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        ("http_request_method", METHODS[self.method]).encode(encoder.encode_label())?;
        ("url_scheme", if self.https { "https" } else { "http" }).encode(encoder.encode_label())
    }
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        self.active.encode(encoder)?;
        ("network_protocol_version", version_name(self.version)).encode(encoder.encode_label())?;
        let optional = [
            ("http_route", self.route),
            ("http_response_status_code", self.status.as_ref().map(StatusCode::as_str)),
            ("error_type", self.error.as_ref().map(ErrorType::name)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                (name, value).encode(encoder.encode_label())?;
            }
        }
        Ok(())
    }
}
