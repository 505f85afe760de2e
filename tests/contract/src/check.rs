//! Compares a response and its log line with what the table expects. Each difference is one fault, and all are reported.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use test_support::Response;

use crate::case::{Case, Expected, Log};

/// Checks a response; `peer` is the client's address of its connection.
pub fn response(case: &Case, expected: &Expected, response: &Response, peer: SocketAddr, faults: &mut Vec<String>) {
    let before = faults.len();
    let fill = |pattern: &str| fill(pattern, case, peer);
    if expected.status != Some(response.status) {
        faults.push(format!("status: expected {:?}, got {}", expected.status, response.status));
    }
    for (name, pattern) in &expected.fields {
        match response.values(name)[..] {
            [value] if matches(&fill(pattern), value) => {}
            ref values => faults.push(format!("{name}: expected {pattern:?}, got {values:?}")),
        }
    }
    for name in expected.absent.iter().flatten() {
        if !response.values(name).is_empty() {
            faults.push(format!("{name}: expected none, got {:?}", response.values(name)));
        }
    }
    let body = String::from_utf8_lossy(&response.body);
    if let Some(pattern) = &expected.body
        && !matches(&fill(pattern), &body)
    {
        faults.push(format!("body: expected {pattern:?}"));
    }
    if let Some(pattern) = &expected.json {
        match serde_json::from_str(&body) {
            Ok(document) => subset("body", pattern, &document, &fill, faults),
            Err(error) => faults.push(format!("body: invalid JSON: {error}")),
        }
    }
    if faults.len() > before {
        faults.push(format!("response: {} {:?}\n{body}", response.status, response.headers));
    }
}

/// Checks the lines that the request left in the access log.
pub fn log(
    case: &Case,
    expected: &Expected,
    is_json: bool,
    lines: &[String],
    peer: SocketAddr,
    faults: &mut Vec<String>,
) {
    let before = faults.len();
    let fill = |pattern: &str| fill(pattern, case, peer);
    match (lines, &expected.log) {
        ([], Some(Log::Present(false))) => {}
        ([line], Some(Log::Line(pattern))) => {
            if !matches(&fill(pattern), line) {
                faults.push(format!("log: expected {pattern:?}"));
            }
        }
        ([line], members) if is_json => {
            let mut pattern = usual_members(case, expected);
            if let Some(Log::Members(members)) = members {
                pattern.extend(members.clone());
            }
            match serde_json::from_str(line) {
                Ok(object) => subset("log", &Value::Object(pattern), &object, &fill, faults),
                Err(error) => faults.push(format!("log: invalid JSON: {error}")),
            }
        }
        ([_], None) => {}
        _ => faults.push(format!("log: {} lines", lines.len())),
    }
    if faults.len() > before {
        faults.push(format!("log lines: {lines:#?}"));
    }
}

/// The members that every line has.
fn usual_members(case: &Case, expected: &Expected) -> Map<String, Value> {
    let level = if expected.status >= Some(500) { "error" } else { "info" };
    let members = json!({
        "time": "20*-*-*T*:*:*.*Z",
        "level": level,
        "method": case.method(),
        "path": case.path(),
        "status": expected.status,
        "client": "{peer_ip}",
        "peer": "{peer}",
        "error": if expected.status >= Some(400) { "*" } else { "absent" },
    });
    match members {
        Value::Object(members) => members,
        _ => unreachable!("the literal is an object"),
    }
}

/// Whether `actual` is as `pattern` says: objects may have more members, strings are patterns, and the text `absent` stands
/// for a member that must not be there.
fn subset(place: &str, pattern: &Value, actual: &Value, fill: &impl Fn(&str) -> String, faults: &mut Vec<String>) {
    match (pattern, actual) {
        (Value::Object(pattern), Value::Object(actual)) => {
            for (name, pattern) in pattern {
                let place = format!("{place}.{name}");
                match actual.get(name) {
                    Some(_) if pattern == "absent" => faults.push(format!("{place}: expected none")),
                    Some(actual) => subset(&place, pattern, actual, fill, faults),
                    None if pattern == "absent" => {}
                    None => faults.push(format!("{place}: missing")),
                }
            }
        }
        (Value::String(pattern), Value::String(actual)) if matches(&fill(pattern), actual) => {}
        (pattern, actual) if pattern == actual => {}
        (pattern, actual) => faults.push(format!("{place}: expected {pattern}, got {actual}")),
    }
}

/// Replaces the placeholders by what is known only when the case runs.
fn fill(pattern: &str, case: &Case, peer: SocketAddr) -> String {
    let body = case.body.as_deref().unwrap_or_default();
    pattern.replace("{peer}", &peer.to_string()).replace("{peer_ip}", &peer.ip().to_string()).replace("{body}", body)
}

/// Whether the text matches the pattern, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match text.split_once(piece) {
            Some((_, rest)) => text = rest,
            None => return false,
        }
    }
    text.ends_with(end)
}
