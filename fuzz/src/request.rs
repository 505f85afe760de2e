//! Requests to the core of the component, made of any bytes.

#![allow(dead_code, reason = "each target uses a part of it")]

use component_core::{Body, Completion, Entry, Host, Outcome, RequestHead, respond};

/// A host whose variables all have their defaults, but for those that are given.
pub struct Variables<'a>(pub &'a [(&'a str, &'a str)]);

impl Host for Variables<'_> {
    fn variable(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn random(&self) -> u64 {
        0
    }

    fn add(&self, _: &str, _: i64) -> Result<(), String> {
        Ok(())
    }

    fn counters(&self) -> Result<Vec<(String, i64)>, String> {
        Ok(Vec::new())
    }
}

/// Headers from lines `NAME:VALUE`. Whatever a line has, it becomes a header: a host may let anything through.
pub fn headers(lines: &[u8]) -> Vec<(String, Vec<u8>)> {
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        (String::from_utf8_lossy(&line[..colon]).into_owned(), line.get(colon + 1..).unwrap_or_default().to_owned())
    };
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(header).collect()
}

/// The response to a GET, and its line in the log.
pub fn get(target: &str, headers: Vec<(String, Vec<u8>)>, host: &dyn Host) -> (Outcome, Option<Entry>) {
    respond(RequestHead::new("GET", target, || headers), host)
}

/// The text of a response that has one.
pub fn text(outcome: &Outcome) -> &str {
    match outcome.response.body() {
        Body::Text(text) => text,
        other => panic!("the body is {other:?}"),
    }
}

/// A request that took no time.
pub const DONE: Completion =
    Completion { time: std::time::Duration::ZERO, duration: std::time::Duration::ZERO, bytes: 0, error: None };

/// Whether a text has what a terminal obeys.
pub fn is_obeyed(text: &str) -> bool {
    let bidirectional =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().any(|character| character.is_control() || bidirectional(character))
}
