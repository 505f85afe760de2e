//! The access log: one line for each request, in one write.

use std::fmt::Display;
use std::ops::Deref;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{Request, StatusCode};

use crate::config::{self, Format, Level};
use crate::headers::client_ip;
use crate::host::Host;
use crate::json::{self, Object};
use crate::response::Outcome;
use crate::timestamp;

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

    /// The entry of this request, or `None` if the log level excludes it.
    pub fn new(request: Request<()>, outcome: &Outcome, host: &dyn Host) -> Option<Self> {
        let status = outcome.response.status();
        let level = level(request.uri().path(), status);
        (level <= config::LOG_LEVEL.read(host)).then(|| Self {
            format: config::LOG_FORMAT.read(host),
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
        // What the client can make long is cut. These values have up to 3200 bytes together, the rest of a line less than 400.
        let method = json::cut(self.request.method().as_str(), 64);
        let path = json::cut(self.request.uri().path(), 1024);
        // If the host does not send the peer, the client may. A port may have any number of leading zeros.
        let peer = self.peer.as_deref().map(|peer| json::cut(peer, 64));
        let agent = self.request.headers().get(USER_AGENT).and_then(|agent| str::from_utf8(agent.as_bytes()).ok());
        let agent = agent.map(|agent| json::cut(agent, 512));
        let error = self.error.as_deref().or(completion.error).map(|error| json::cut(error, 1536));

        let time = timestamp::rfc3339(completion.time);
        let status = self.status.as_u16();
        let micros = completion.duration.as_micros() as u64;
        let duration = format_args!("{}.{:03}", micros / 1000, micros % 1000);

        let mut members = Vec::with_capacity(11);
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
        if let Some(error) = &error {
            members.push(("error", Value::Text(error)));
        }
        let mut line = match self.format {
            Format::Json => json_line(&members),
            Format::Text => text_line(&members),
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

/// The value of one member of a line.
enum Value<'a> {
    Text(&'a str),
    Number(&'a dyn Display),
    Absent,
}

impl<'a> Value<'a> {
    fn new(text: &'a Option<impl Deref<Target = str>>) -> Self {
        text.as_deref().map_or(Self::Absent, Self::Text)
    }
}

fn json_line(members: &[(&str, Value)]) -> String {
    let add = |object: Object, (name, value): &(&str, Value)| match value {
        Value::Text(text) => object.string(name, text),
        Value::Number(number) => object.raw(name, number),
        Value::Absent => object.raw(name, "null"),
    };
    members.iter().fold(Object::default(), add).finish()
}

fn text_line(members: &[(&str, Value)]) -> String {
    let mut line = String::new();
    for (name, value) in members {
        if !line.is_empty() {
            line.push(' ');
        }
        if !matches!(*name, "time" | "level" | "method" | "path" | "status") {
            line.push_str(name);
            line.push('=');
        }
        match value {
            Value::Text(text) if *name == "level" => line.push_str(&text.to_ascii_uppercase()),
            Value::Text(text) if needs_no_quotes(text) => line.push_str(text),
            Value::Text(text) => json::push_string(&mut line, text),
            Value::Number(number) => json::push_display(&mut line, number),
            Value::Absent => line.push('-'),
        }
    }
    line
}

/// Whether a reader can tell where a text without quotes ends, and that it is not an absent value.
fn needs_no_quotes(text: &str) -> bool {
    let plain = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '\\' | '=');
    !text.is_empty() && text != "-" && text.chars().all(plain)
}

#[cfg(test)]
mod tests;
