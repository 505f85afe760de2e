//! The span of a request: which requests have one, what is in it, and the header field that names it to the guest.

use std::time::SystemTime;

use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData};
use opentelemetry_semantic_conventions::attribute;

use super::queue::Queue;
use super::settings::Sampling;
use crate::lost_spans;
use crate::metrics::{OTHER, method_name, version_name};
use crate::observation::{Exchange, Observer, Trace};

const TRACEPARENT: HeaderName = HeaderName::from_static(traceparent::NAME);
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest text of an attribute, bytes: a path or a `user-agent` may have 16 KiB, and thousands of spans may wait. It is also the
/// longest `tracestate` that has to be passed on (W3C Trace Context §3.3.1.5).
const LONGEST_TEXT: usize = 512;

/// The attributes of a span: those of [`attributes`] and those of the end.
const MOST_ATTRIBUTES: usize = 14;

/// Traces requests. There is one for the process.
#[derive(Debug)]
pub(crate) struct Tracer {
    sampling: Sampling,
    scope: InstrumentationScope,
    pub(super) queue: Queue,
}

impl Tracer {
    pub(super) fn new(sampling: Sampling, queue: Queue) -> Self {
        lost_spans::show();
        Self { sampling, scope: super::scope(), queue }
    }

    /// The span of a request, whose caller's is `parent`.
    fn span(&self, trace: Trace, parent: Option<Trace>, exchange: &Exchange, head: &Parts) -> SpanData {
        let state = if parent.is_some() { trace_state(&head.headers) } else { TraceState::default() };
        SpanData {
            span_context: SpanContext::new(
                trace.trace_id.into(),
                trace.span_id.into(),
                TraceFlags::SAMPLED,
                false,
                state,
            ),
            parent_span_id: parent.map_or(SpanId::INVALID, |parent| parent.span_id.into()),
            parent_span_is_remote: parent.is_some(),
            span_kind: SpanKind::Server,
            name: "".into(),
            start_time: SystemTime::now(),
            end_time: SystemTime::UNIX_EPOCH,
            attributes: attributes(exchange, head),
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

impl Observer for Tracer {
    fn for_thread(&'static self) -> &'static dyn Observer {
        self
    }

    /// Begins a span. The guest gets it as its `traceparent`, so that what it does is below.
    fn begun(&self, exchange: &mut Exchange, head: &mut Parts) {
        let parent = exchange.trace;
        let ids = RandomIdGenerator::default();
        let trace_id = parent.map_or_else(|| ids.new_trace_id(), |parent| parent.trace_id.into());
        let sampled = self.sampling.decide(trace_id, parent.map(|parent| parent.sampled));
        // An id that nobody else knows or records is of no use to the guest.
        if !sampled && parent.is_none() {
            return;
        }
        let span_id = ids.new_span_id();
        let trace = Trace {
            trace_id: u128::from_be_bytes(trace_id.to_bytes()),
            span_id: u64::from_be_bytes(span_id.to_bytes()),
            sampled,
        };
        if sampled {
            exchange.span = Some(Box::new(self.span(trace, parent, exchange, head)));
        }
        exchange.trace = Some(trace);
        if parent.is_none() {
            // It belongs to a `traceparent` that is missing or not valid (§4.3).
            head.headers.remove(TRACESTATE);
        }
        let name = HeaderValue::try_from(format!("00-{trace_id}-{span_id}-{:02x}", u8::from(sampled)));
        if let Ok(name) = name {
            head.headers.insert(TRACEPARENT, name);
        }
    }

    fn finished(&self, exchange: &mut Exchange) {
        let Some(mut span) = exchange.span.take() else { return };
        span.end_time = span.start_time + exchange.begun.elapsed();
        let method = match method_name(&exchange.method) {
            OTHER => "HTTP",
            known => known,
        };
        span.name = match exchange.route {
            Some(route) => format!("{method} {route}").into(),
            None => method.into(),
        };
        span.attributes.extend(exchange.route.map(|route| KeyValue::new(attribute::HTTP_ROUTE, route)));
        let status = exchange.status.map(|status| i64::from(status.as_u16()));
        span.attributes.extend(status.map(|status| KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, status)));
        if let Some(error) = &exchange.error {
            span.attributes.push(KeyValue::new(attribute::ERROR_TYPE, error.name().to_owned()));
            span.status = Status::error("");
        }
        self.queue.push(*span);
    }
}

/// What the request says about itself, by the semantic conventions for HTTP servers. Its query is left out, as from the access log:
/// people put secrets there.
fn attributes(exchange: &Exchange, head: &Parts) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(MOST_ATTRIBUTES);
    let method = method_name(&exchange.method);
    attributes.push(KeyValue::new(attribute::HTTP_REQUEST_METHOD, method));
    if method == OTHER {
        attributes.push(text(attribute::HTTP_REQUEST_METHOD_ORIGINAL, exchange.method.as_str()));
    }
    attributes.push(text(attribute::URL_PATH, head.uri.path()));
    attributes.push(KeyValue::new(attribute::URL_SCHEME, if exchange.https { "https" } else { "http" }));
    attributes.push(KeyValue::new(attribute::NETWORK_PROTOCOL_VERSION, version_name(exchange.version)));
    attributes.push(KeyValue::new(attribute::NETWORK_PEER_ADDRESS, exchange.peer.ip().to_canonical().to_string()));
    attributes.push(KeyValue::new(attribute::NETWORK_PEER_PORT, i64::from(exchange.peer.port())));
    let host: Option<Authority> = head.headers.get(HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    if let Some(host) = host.as_ref().or(head.uri.authority()) {
        attributes.push(text(attribute::SERVER_ADDRESS, host.host()));
        let port = host.port_u16().map(i64::from);
        attributes.extend(port.map(|port| KeyValue::new(attribute::SERVER_PORT, port)));
    }
    let agent = head.headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    attributes.extend(agent.map(|agent| text(attribute::USER_AGENT_ORIGINAL, &agent)));
    attributes
}

/// An attribute of which a client decides how long it is.
fn text(name: &'static str, text: &str) -> KeyValue {
    KeyValue::new(name, text[..text.floor_char_boundary(LONGEST_TEXT)].to_owned())
}

fn trace_state(headers: &HeaderMap) -> TraceState {
    let values = headers.get_all(TRACESTATE).iter().filter_map(|value| value.to_str().ok());
    let list = values.collect::<Vec<_>>().join(",");
    (list.len() <= LONGEST_TEXT).then(|| list.parse().ok()).flatten().unwrap_or_default()
}
