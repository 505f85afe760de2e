//! HTTP/2 as RFC 9113 and RFC 7541 define it: all cases of h2spec, which sends what they allow and what they forbid.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use test_support::{App, artifacts};

/// The one case that fails, on purpose. h2spec expects that a server closes a connection that does not begin with the preface of
/// HTTP/2. This server has HTTP/1.1 on the same port, so such bytes get a 400 first.
const FAILS: &str = "http2/3.5: Sends invalid connection preface";

/// The response is sent after the whole request. If it came sooner, which RFC 9113 §8.1 allows, a case that breaks a rule after
/// the head of a request would sometimes see the response before the error. One case needs a few bytes of a body.
const PATH: &str = "/hold/100";

/// What h2spec 2.2.1 sends in all, so that a run that ended early is not taken for a success.
const CASES: usize = 146;

#[test]
fn http_2_is_spoken_as_h2spec_expects_except_for_its_preface() {
    let server = App::guest().start();
    let report = env::temp_dir().join("h2spec.xml");
    let failed = failed(server.address(), &report);
    fs::remove_file(&report).expect("h2spec wrote it");
    assert_eq!(failed, [FAILS]);
}

/// The cases that failed, as `SECTION: TITLE`.
fn failed(server: SocketAddr, report: &Path) -> Vec<String> {
    let mut h2spec = Command::new(artifacts::tool("h2spec"));
    h2spec.args(["--strict", "--path", PATH, "--host", &server.ip().to_string(), "--port", &server.port().to_string()]);
    let output = h2spec.arg("--junit-report").arg(report).output().expect("h2spec can be started");
    let text = fs::read_to_string(report).unwrap_or_else(|error| panic!("no report: {error}: {output:?}"));
    let report = roxmltree::Document::parse(&text).expect("h2spec writes XML");
    let cases: Vec<_> = report.descendants().filter(|node| node.has_tag_name("testcase")).collect();
    assert_eq!(cases.len(), CASES, "{text}");
    let name = |case: &roxmltree::Node| {
        ["package", "classname"].map(|attribute| case.attribute(attribute).unwrap_or_default()).join(": ")
    };
    // A case that passed has no element in it.
    cases.iter().filter(|case| case.children().any(|child| child.is_element())).map(name).collect()
}
