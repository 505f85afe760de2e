//! What the guest sees of its host, as text: one thing a line, with strings quoted as in Rust.

use std::fmt::{Debug, Write};

use wasi::cli::environment;
use wasi::filesystem::preopens;
use wasi::http::outgoing_handler;
use wasi::http::types::{Fields, IncomingRequest, OutgoingRequest, Scheme};

/// Headers that a host may forbid to set, and one that it must allow.
const FIELDS: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "upgrade",
    "host",
    "http2-settings",
    "x-free",
];

/// Values that a header must not have (CR, LF, NUL), and values that it may have.
const VALUES: [&[u8]; 5] = [b"a\rb", b"a\nb", b"a\0b", b"a\tb", b"a\xFFb"];

/// The parts of the request line, then each header in the order of arrival.
pub fn request(request: &IncomingRequest) -> String {
    let mut lines = String::new();
    line(&mut lines, "method", &request.method());
    line(&mut lines, "target", &request.path_with_query());
    line(&mut lines, "scheme", &request.scheme());
    line(&mut lines, "authority", &request.authority());
    for (name, value) in request.headers().entries() {
        line(&mut lines, &format!("header {name}"), &String::from_utf8_lossy(&value));
    }
    lines
}

/// A line for each environment variable and argument, and one for the working directory.
pub fn environment() -> String {
    let mut lines = String::new();
    for (name, value) in environment::get_environment() {
        line(&mut lines, &format!("variable {name}"), &value);
    }
    for argument in environment::get_arguments() {
        line(&mut lines, "argument", &argument);
    }
    line(&mut lines, "directory", &environment::initial_cwd());
    lines
}

/// A line for each preopened folder, then their number.
pub fn folders() -> String {
    let folders = preopens::get_directories();
    let mut lines = String::new();
    for (_, path) in &folders {
        line(&mut lines, "folder", path);
    }
    line(&mut lines, "folders", &folders.len());
    lines
}

/// The result of an outgoing request, `GET http://127.0.0.1:1/`.
pub fn outgoing() -> String {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).expect("a valid scheme");
    request.set_authority(Some("127.0.0.1:1")).expect("a valid authority");
    request.set_path_with_query(Some("/")).expect("a valid path");
    match outgoing_handler::handle(request, None) {
        Err(code) => format!("refused {code:?}\n"),
        Ok(future) => {
            future.subscribe().block();
            let response = future.get().expect("the response is ready").expect("it is taken once");
            format!("answered {:?}\n", response.map(|response| response.status()))
        }
    }
}

/// The result of setting each header in [`FIELDS`], then each value in [`VALUES`].
pub fn fields() -> String {
    let mut lines = String::new();
    let fields = Fields::new();
    for name in FIELDS {
        line(&mut lines, name, &fields.set(&name.to_owned(), &[b"value".to_vec()]));
    }
    for value in VALUES {
        let name = format!("value {:?}", String::from_utf8_lossy(value));
        line(&mut lines, &name, &fields.set(&"x-free".to_owned(), &[value.to_vec()]));
    }
    lines
}

/// Adds a line.
pub fn line(lines: &mut String, name: &str, value: &dyn Debug) {
    writeln!(lines, "{name} {value:?}").expect("a String takes any text");
}
