//! The server does what its own description, `/openapi.json`, says: schemathesis sends requests that the description allows and
//! requests that it does not allow, and each response that the description does not have is a finding.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use test_support::{App, Server, artifacts};

/// The same requests in every run, so that a finding comes from this commit and not from chance.
const SEED: &str = "11";

/// Requests for an operation and a phase at most; all tests here together take a quarter of a minute.
const EXAMPLES: &str = "60";

/// Seconds for a response: twice the longest delay.
const PATIENCE: &str = "20";

/// The only path that waits as long as the request says, and so has runs of its own.
const DELAY: &str = "/delay/{seconds}";

/// A finding that is no defect: its kind, the end of its operation's name, and why.
const EXPECTED: [(&str, &str, &str); 5] = [
    ("ServerError", " /status/{code}", "the path asked for a status from 500 to 599"),
    ("RejectedPositiveData", " /status/{code}", "the path asked for a status from 400 to 499"),
    ("RejectedPositiveData", "HEAD /echo", "it is described only to say that it is refused"),
    ("UnsupportedMethodResponse", "QUERY /", "the path takes any method; OpenAPI 3.1 has no words for more than eight"),
    ("UnsupportedMethodResponse", "QUERY /status/{code}", "as above"),
];

#[test]
fn the_server_does_what_its_description_says() {
    let report = report(&["--exclude-path", DELAY, "--max-examples", EXAMPLES]);
    let found = findings(&report);
    let unexpected: Vec<_> = found.iter().filter(|finding| !EXPECTED.iter().any(|known| is(finding, known))).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}\n{report:#}");
    for known in EXPECTED {
        assert!(
            found.iter().any(|finding| is(finding, &known)),
            "no longer found, so no longer to be listed: {known:?}"
        );
    }
}

#[test]
fn a_bad_delay_is_refused_as_described() {
    let report = report(&["--include-path", DELAY, "--max-examples", EXAMPLES, "--mode", "negative"]);
    assert_eq!(findings(&report), BTreeSet::new(), "{report:#}");
}

#[test]
fn a_delay_is_waited_for_as_described() {
    // Few: each takes up to ten seconds.
    let report = report(&["--include-path", DELAY, "--max-examples", "2", "--mode", "positive", "--phases", "fuzzing"]);
    assert_eq!(findings(&report), BTreeSet::new(), "{report:#}");
}

/// Runs schemathesis against a server of its own, and returns what it reports.
#[track_caller]
fn report(arguments: &[&str]) -> Value {
    let server = App::shipped().args(["--variable", "hello_max_delay_ms=0"]).start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("report.json");
    // It keeps the requests that it made in its folder, and takes proxies from its environment.
    let mut command = Command::new(artifacts::tool("schemathesis"));
    command.current_dir(folder.path()).env_clear().env("HOME", folder.path()).env("PYTHONUTF8", "1");
    command.args(["run", &description(&server), "--workers", "1", "--seed", SEED, "--continue-on-failure"]);
    // A slow machine is not a finding.
    command.args(["--suppress-health-check", "all", "--request-timeout", PATIENCE]);
    command.args(["--report-json-path"]).arg(&file).args(arguments);
    let output = command.output().expect("schemathesis runs");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("no report ({error}): {output:?}"));
    let report: Value = serde_json::from_str(&text).expect("the report is JSON");
    assert_eq!(report["complete"], true, "{report:#}");
    assert_eq!(report["errors"], Value::Array(Vec::new()), "{report:#}");
    assert_eq!(report["operations"]["tested"], report["operations"]["selected"], "{report:#}");
    assert!(report["test_cases"]["generated"].as_u64() > Some(0), "{report:#}");
    report
}

fn description(server: &Server) -> String {
    format!("http://{}/openapi.json", server.address())
}

/// The findings: the kind, and the name of the operation.
fn findings(report: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    let failures = report["failures"].as_array().expect("a list").iter();
    let pairs = failures.flat_map(|failure| {
        let operations = failure["operations"].as_array().expect("a list").iter();
        operations.map(move |operation| (text(&failure["type"]), text(operation)))
    });
    pairs.collect()
}

fn is((kind, operation): &(String, String), (known, end, _): &(&str, &str, &str)) -> bool {
    kind == known && operation.ends_with(end)
}
