//! The access log: one line for each request, in one write.

use crate::headers::client_ip;
use crate::json::{self, Object};
use crate::response::Answer;
use crate::{Host, config, timestamp};
use http::header::USER_AGENT;
use http::{Request, StatusCode};
use std::fmt::Display;
use std::ops::Deref;
use std::time::Duration;

/// How much a line matters, the most important first; the setting shows its own level and those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Level {
    /// The server failed, or said so: 5xx.
    Error,
    /// Nothing yet; for those who know the usual four.
    Warn,
    /// Every other request.
    Info,
    /// Probes that succeed: several a minute, for ever.
    Debug,
}

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object a line.
    Json,
    /// `TIME LEVEL METHOD PATH STATUS NAME=VALUE…`
    Text,
}

/// The line of a request whose answer is still to be sent.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    level: Level,
    request: Request<()>,
    status: StatusCode,
    client: Option<String>,
    peer: Option<String>,
    error: Option<String>,
}

/// How sending the answer went.
#[derive(Debug)]
pub struct Completion {
    /// When it was sent, since the Unix epoch.
    pub time: Duration,
    /// From the arrival of the request.
    pub duration: Duration,
    /// Of the response body.
    pub bytes: u64,
    /// Why the body is incomplete, if it is.
    pub error: Option<&'static str>,
}

/// Begins the line, unless the log level leaves it out.
pub fn open(request: Request<()>, answer: &Answer, host: &dyn Host) -> Option<AccessLog> {
    let status = answer.response.status();
    let level = level(request.uri().path(), status);
    (level <= config::LOG_LEVEL.read(host)).then(|| AccessLog {
        format: config::LOG_FORMAT.read(host),
        level,
        status,
        client: client_ip::client(request.headers(), host).map(str::to_owned),
        peer: client_ip::peer(request.headers()).map(str::to_owned),
        error: answer.error.clone(),
        request,
    })
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

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl AccessLog {
    /// Bytes of a line at most: what WASI takes in one write, so that no other line can come in between.
    pub const LINE_LIMIT: usize = 4096;

    /// The whole line, line feed included.
    pub fn line(&self, completion: &Completion) -> String {
        // Whatever the sender chooses freely is cut: these sum up to 3200 bytes, the rest of a line to less than 400.
        let method = json::cut(self.request.method().as_str(), 64);
        let path = json::cut(self.request.uri().path(), 1024);
        // The sender's own claim where the host makes none, and a port may have any number of leading zeros.
        let peer = self.peer.as_deref().map(|peer| json::cut(peer, 64));
        let agent = self.request.headers().get(USER_AGENT).and_then(|agent| str::from_utf8(agent.as_bytes()).ok());
        let agent = agent.map(|agent| json::cut(agent, 512));
        let error = self.error.as_deref().or(completion.error).map(|error| json::cut(error, 1536));

        let time = timestamp::rfc3339(completion.time);
        let status = self.status.as_u16();
        let micros = completion.duration.as_micros() as u64;
        let duration = format_args!("{}.{:03}", micros / 1000, micros % 1000);

        let members = [
            ("time", Value::Text(&time)),
            ("level", Value::Text(self.level.name())),
            ("method", Value::Text(&method)),
            ("path", Value::Text(&path)),
            ("status", Value::Number(&status)),
            ("client", Value::of(&self.client)),
            ("peer", Value::of(&peer)),
            ("bytes", Value::Number(&completion.bytes)),
            ("duration_ms", Value::Number(&duration)),
            ("user_agent", Value::of(&agent)),
            ("error", Value::of(&error)),
        ];
        let members = &members[..members.len() - usize::from(error.is_none())];
        let mut line = match self.format {
            Format::Json => json_line(members),
            Format::Text => text_line(members),
        };
        line.push('\n');
        line
    }
}

/// The value of one member of a line.
enum Value<'a> {
    Text(&'a str),
    Number(&'a dyn Display),
    Absent,
}

impl<'a> Value<'a> {
    fn of(text: &'a Option<impl Deref<Target = str>>) -> Self {
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
            Value::Text(text) if is_bare(text) => line.push_str(text),
            Value::Text(text) => json::push_string(&mut line, text),
            Value::Number(number) => json::push_display(&mut line, number),
            Value::Absent => line.push('-'),
        }
    }
    line
}

/// Whether a text needs no quotes to be told from what stands around it, and from an absent one.
fn is_bare(text: &str) -> bool {
    let plain = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '\\' | '=');
    !text.is_empty() && text != "-" && text.chars().all(plain)
}

#[cfg(test)]
mod tests;
