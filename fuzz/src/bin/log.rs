//! Input: lines with the method, the target, the user agent and the peer of a request, and one for its error. Whatever they are,
//! the log has one line that says what was.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../request.rs"]
mod request;

use component_core::{Entry, RequestHead, respond};
use request::{DONE, Variables, is_obeyed};

target!(check);

/// The members of a line. `error` is there if the request failed.
const MEMBERS: [&str; 10] =
    ["time", "level", "method", "path", "status", "client", "peer", "bytes", "duration_ms", "user_agent"];

fn check(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, target) = (String::from_utf8_lossy(line()), String::from_utf8_lossy(line()));
    let headers = [("User-Agent", line().to_vec()), ("spin-client-addr", line().to_vec())];
    let version = String::from_utf8_lossy(line()).into_owned();
    for format in ["json", "text"] {
        let variables = [("log_format", format), ("log_level", "debug"), ("version", version.as_str())];
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (outcome, entry) = respond(RequestHead::new(&method, &target, headers), &Variables(&variables));
        let written = entry.expect("the level includes all").line(&DONE);
        let line = written.strip_suffix('\n').expect("it ends with a line feed");
        assert!(written.len() <= Entry::LINE_LIMIT && !is_obeyed(line), "{line:?}");
        if format == "text" {
            continue;
        }
        let shown: serde_json::Map<_, _> = serde_json::from_str(line).expect("it is JSON");
        assert!(MEMBERS.iter().all(|member| shown.contains_key(*member)), "{line}");
        assert_eq!(shown.len(), MEMBERS.len() + usize::from(shown.contains_key("error")), "{line}");
        assert_eq!(shown["status"], outcome.response.status().as_u16());
    }
}
