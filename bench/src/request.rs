//! The requests that are sent, and what is right as a response.

use anyhow::{Result, ensure};
use test_support::Response;

use crate::scenarios::Load;

/// The fields of a usual request; the client adds `host`.
const USUAL: [(&str, &str); 4] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
];

/// The header fields of a request, except `host`: the usual ones, then as many others as it takes.
pub fn fields(load: &Load) -> Vec<(String, String)> {
    let usual = USUAL.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let others = (1..).map(|number| (format!("x-field-{number}"), format!("the value of field number {number}")));
    // `host` is one.
    let mut fields: Vec<_> = usual.chain(others).take(load.fields - 1).collect();
    if load.closes {
        fields.push(("connection".to_owned(), "close".to_owned()));
    }
    fields
}

/// Checks a response to one request of `load`: status, body, and for `/` that the header fields came back.
pub fn check(response: &Response, load: &Load) -> Result<()> {
    ensure!(response.status == 200, "{}: status {}", load.path, response.status);
    let body = body(load);
    let text = String::from_utf8_lossy(&response.body);
    let is_right = match load.path {
        "/" => text == "response write ok",
        // podinfo's is JSON.
        "/healthz" => text.to_lowercase().contains("ok"),
        "/echo" => text == body,
        _ => true,
    };
    ensure!(is_right, "{}: the body is {text:?}", load.path);
    if load.path == "/" {
        for (name, value) in fields(load).iter().filter(|(name, _)| name != "connection") {
            let came_back = response.header(name) == Some(value);
            ensure!(came_back, "/: the field {name} did not come back: {:?}", response.headers);
        }
    }
    Ok(())
}

/// One request of `load`, as HTTP/1.1 has it.
pub fn text(load: &Load) -> String {
    let mut text = head(load, body(load).len() as u64);
    text += &body(load);
    text
}

/// The head of a request of `load` with a body of that many bytes.
pub fn head(load: &Load, length: u64) -> String {
    let method = if length == 0 { "GET" } else { "POST" };
    let mut text = format!("{method} {} HTTP/1.1\r\nhost: bench\r\n", load.path);
    for (name, value) in fields(load) {
        text += &format!("{name}: {value}\r\n");
    }
    if length > 0 {
        text += &format!("content-length: {length}\r\n");
    }
    text + "\r\n"
}

/// The request's body.
pub fn body(load: &Load) -> String {
    "x".repeat(load.body)
}
