//! Input: lines with the method, the target, the user agent and the peer of a request, one for its error, and one for its trace.
//! Whatever they are, the log has one line that says what was.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../request.rs"]
mod request;

use component_core::{Entry, RequestHead, respond};
use request::{DONE, Variables, is_obeyed};

target!(check);

/// The members of a line. `error` is there if the request failed, `trace_id` and `span_id` if it names its trace.
const MEMBERS: [&str; 10] =
    ["time", "level", "method", "path", "status", "client", "peer", "bytes", "duration_ms", "user_agent"];

fn check(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, target) = (String::from_utf8_lossy(line()), String::from_utf8_lossy(line()));
    let (agent, peer) = (line().to_vec(), line().to_vec());
    let version = String::from_utf8_lossy(line()).into_owned();
    let headers = [("User-Agent", agent), ("spin-client-addr", peer), ("traceparent", line().to_vec())];
    for log in ["json:debug", "text:debug"] {
        let variables = [("log", log), ("version", version.as_str())];
        let headers = || headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (outcome, entry) = respond(RequestHead::new(&method, &target, headers), &Variables(&variables));
        let written = entry.expect("the level includes all").line(&DONE);
        let line = written.strip_suffix('\n').expect("it ends with a line feed");
        assert!(written.len() <= Entry::LINE_LIMIT && !is_obeyed(line), "{line:?}");
        if log == "text:debug" {
            continue;
        }
        let shown: serde_json::Map<_, _> = serde_json::from_str(line).expect("it is JSON");
        assert!(MEMBERS.iter().all(|member| shown.contains_key(*member)), "{line}");
        let more = ["error", "trace_id", "span_id"].iter().filter(|member| shown.contains_key(**member)).count();
        assert_eq!(shown.len(), MEMBERS.len() + more, "{line}");
        assert_eq!(shown.contains_key("trace_id"), shown.contains_key("span_id"), "{line}");
        assert_eq!(shown["status"], outcome.response.status().as_u16());
    }
}
