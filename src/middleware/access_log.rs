//! The access log: one line for each request, in one write.

use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use traceparent::TraceParent;

use crate::config::{Format, Level, Log};
use crate::headers::client_ip;
use crate::host::Host;
use crate::json;
use crate::response::Outcome;
use crate::timestamp;
use line::Value;

mod line;

/// The entry of a request whose response is not sent yet.
#[derive(Debug)]
pub struct Entry {
    format: Format,
    level: Level,
    request: Request<()>,
    status: StatusCode,
    client: Option<String>,
    peer: Option<String>,
    error: Option<String>,
}

/// How the response was sent.
#[derive(Debug)]
pub struct Completion {
    /// When it was sent, since the Unix epoch.
    pub time: Duration,
    /// From the arrival of the request until then.
    pub duration: Duration,
    /// The bytes of its body that were sent.
    pub bytes: u64,
    /// Why its body is incomplete, if it is.
    pub error: Option<&'static str>,
}

impl Entry {
    /// The length of a line in bytes is at most what WASI takes in one write, so that lines never mix.
    pub const LINE_LIMIT: usize = 4096;

    /// The entry of this request, or `None` if it is less important than the level of `log`.
    pub fn new(request: Request<()>, outcome: &Outcome, log: Log, host: &dyn Host) -> Option<Self> {
        let status = outcome.response.status();
        let level = level(request.uri().path(), status);
        (level <= log.level).then(|| Self {
            format: log.format,
            level,
            status,
            client: client_ip::client(request.headers(), host).map(str::to_owned),
            peer: client_ip::peer(request.headers()).map(str::to_owned),
            error: outcome.error.clone(),
            request,
        })
    }

    /// The whole line, with its line feed.
    pub fn line(&self, completion: &Completion) -> String {
        // What the client can make long is cut. These values have up to 3200 bytes together, the rest of a line less than 500.
        let method = json::cut(self.request.method().as_str(), 64);
        let path = json::cut(self.request.uri().path(), 1024);
        // If the host does not send the peer, the client may. A port may have any number of leading zeros.
        let peer = self.peer.as_deref().map(|peer| json::cut(peer, 64));
        let agent = self.request.headers().get(USER_AGENT).and_then(|agent| str::from_utf8(agent.as_bytes()).ok());
        let agent = agent.map(|agent| json::cut(agent, 512));
        let traces = self.request.headers().get_all(traceparent::NAME);
        let trace = TraceParent::of_request(traces.iter().map(HeaderValue::as_bytes));
        let error = self.error.as_deref().or(completion.error).map(|error| json::cut(error, 1536));

        let time = timestamp::rfc3339(completion.time);
        let status = self.status.as_u16();
        let micros = completion.duration.as_micros() as u64;
        let duration = format_args!("{}.{:03}", micros / 1000, micros % 1000);

        let mut members = Vec::with_capacity(13);
        members.extend([
            ("time", Value::Text(&time)),
            ("level", Value::Text(self.level.name())),
            ("method", Value::Text(&method)),
            ("path", Value::Text(&path)),
            ("status", Value::Number(&status)),
            ("client", Value::new(&self.client)),
            ("peer", Value::new(&peer)),
            ("bytes", Value::Number(&completion.bytes)),
            ("duration_ms", Value::Number(&duration)),
            ("user_agent", Value::new(&agent)),
        ]);
        if let Some(trace) = &trace {
            members.extend([("trace_id", Value::Text(trace.trace_id)), ("span_id", Value::Text(trace.span_id))]);
        }
        if let Some(error) = &error {
            members.push(("error", Value::Text(error)));
        }
        let mut line = match self.format {
            Format::Json => line::json(&members),
            Format::Text => line::text(&members),
        };
        line.push('\n');
        line
    }
}

fn level(path: &str, status: StatusCode) -> Level {
    if status.is_server_error() {
        Level::Error
    } else if status.is_success() && matches!(path, "/healthz" | "/readyz") {
        Level::Debug
    } else {
        Level::Info
    }
}

#[cfg(test)]
mod tests;
