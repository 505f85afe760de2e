//! What is known of a request and its response when it has ended.

use std::net::SocketAddr;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};
use opentelemetry_sdk::trace::SpanData;
use traceparent::TraceParent;

use crate::failure::FailureKind;
use crate::refusal::Refusal;

/// What is known of a request and its response.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The request's method.
    pub(crate) method: Method,
    /// The version of HTTP.
    pub(crate) version: Version,
    /// Whether it came over TLS.
    pub(crate) https: bool,
    /// Who sent it.
    pub(crate) peer: SocketAddr,
    /// The caller's place in its trace, if the request has a valid `traceparent`; this request's own if it is traced here.
    pub(crate) trace: Option<Trace>,
    /// What is recorded of it, if it is traced here.
    pub(crate) span: Option<Box<SpanData>>,
    /// When its head was there.
    pub(crate) begun: Instant,
    /// The route: the pattern, not the path. None for a request that was refused before.
    pub(crate) route: Option<&'static str>,
    /// The response's status, if there is a response.
    pub(crate) status: Option<StatusCode>,
    /// Why it failed, if it did.
    pub(crate) error: Option<ErrorType>,
}

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    /// `trace-id`.
    pub(crate) trace_id: u128,
    /// `parent-id`.
    pub(crate) span_id: u64,
    /// Whether the trace is recorded.
    pub(crate) sampled: bool,
}

/// Why a request failed, as `error.type` of the semantic conventions: one of a few names. A response 4xx is no failure of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ErrorType {
    /// The guest failed before its response.
    Guest(FailureKind),
    /// The guest gave no response in time.
    Timeout,
    /// The request was refused.
    Refused(Refusal),
    /// The guest failed or stopped after the head of its response.
    CutShort,
    /// The client went away, or took nothing for so long that it lost its connection.
    ClientGone,
    /// The guest's own response says that it failed.
    Status(StatusCode),
}

impl Trace {
    /// That of the caller, if the request has a valid `traceparent`.
    pub(super) fn of(head: &Parts) -> Option<Self> {
        let values = head.headers.get_all(traceparent::NAME).iter().map(HeaderValue::as_bytes);
        let TraceParent { trace_id, span_id, sampled } = TraceParent::of_request(values)?;
        let trace_id = u128::from_str_radix(trace_id, 16).ok()?;
        Some(Self { trace_id, span_id: u64::from_str_radix(span_id, 16).ok()?, sampled })
    }
}

impl ErrorType {
    /// The name in metrics and traces.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Guest(kind) => kind.name(),
            Self::Timeout => "timeout",
            Self::Refused(refusal) => refusal.name(),
            Self::CutShort => "cut_short",
            Self::ClientGone => "client_gone",
            Self::Status(status) => status.as_str(),
        }
    }
}
