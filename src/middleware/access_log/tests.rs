use serde_json::Value as Json;

use super::*;
use crate::config::tests::names;
use crate::respond;
use crate::response::Body;
use crate::testing::{TestHost, request_head};

const DONE: Completion = Completion {
    // 2026-11-23T12:34:56.789Z
    time: Duration::from_millis(1_795_437_296_789),
    duration: Duration::from_nanos(1_234_567),
    bytes: 17,
    error: None,
};

const HEADERS: [(&str, &str); 3] =
    [("user-agent", "curl/8.0"), ("x-forwarded-for", "1.2.3.4"), ("spin-client-addr", "10.0.0.9:4711")];

fn log(host: &TestHost, target: &str, headers: &[(&str, &str)]) -> Option<String> {
    let (_, entry) = respond(request_head("GET", target, headers), host);
    entry.map(|entry| entry.line(&DONE))
}

fn line(variables: &[(&str, &str)], target: &str, headers: &[(&str, &str)]) -> String {
    log(&TestHost::with(variables.iter().copied()), target, headers).unwrap()
}

fn json(target: &str, headers: &[(&str, &str)]) -> Json {
    serde_json::from_str(&line(&[], target, headers)).unwrap()
}

#[test]
fn a_json_line_has_its_members_in_order() {
    let expected = concat!(
        r#"{"time":"2026-11-23T12:34:56.789Z","level":"info","method":"GET","path":"/a%20b","status":200,"#,
        r#""client":"1.2.3.4","peer":"10.0.0.9:4711","bytes":17,"duration_ms":1.234,"user_agent":"curl/8.0"}"#,
        "\n"
    );
    assert_eq!(line(&[], "/a%20b?secret=1", &HEADERS), expected);
}

#[test]
fn a_text_line_has_the_same_values() {
    let expected = concat!(
        "2026-11-23T12:34:56.789Z INFO GET /a%20b 200 ",
        "client=1.2.3.4 peer=10.0.0.9:4711 bytes=17 duration_ms=1.234 user_agent=curl/8.0\n"
    );
    assert_eq!(line(&[("log", "text")], "/a%20b?secret=1", &HEADERS), expected);
}

#[test]
fn an_unknown_value_is_null_or_a_dash() {
    let entry = json("/", &[]);
    assert_eq!([&entry["client"], &entry["peer"], &entry["user_agent"], &entry["error"]], [&Json::Null; 4]);
    let text = line(&[("log", "text")], "/", &[]);
    assert!(text.ends_with(" client=- peer=- bytes=17 duration_ms=1.234 user_agent=-\n"), "{text}");
}

#[test]
fn the_error_is_the_detail_of_the_problem() {
    let detail = r#"invalid delay "2x": expected decimal seconds from 0 to 10, such as 2 or 0.25"#;
    assert_eq!(json("/delay/2x", &[])["error"], detail);
    let text = line(&[("log", "text")], "/delay/2x", &[]);
    assert!(text.contains(r#" error="invalid delay \"2x\": expected"#), "{text}");
}

const TRACE: (&str, &str) = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

#[test]
fn a_line_names_the_trace_of_its_request_in_both_formats() {
    let json = line(&[], "/delay/2x", &[HEADERS[0], TRACE]);
    let expected = r#""user_agent":"curl/8.0","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","error":"#;
    assert!(json.contains(expected), "{json}");
    let text = line(&[("log", "text")], "/", &[HEADERS[0], TRACE]);
    let expected = " user_agent=curl/8.0 trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_line_leaves_out_a_trace_that_is_not_valid() {
    let invalid = ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01");
    for headers in [&[][..], &[invalid], &[TRACE, TRACE], &[TRACE, invalid]] {
        for format in ["json", "text"] {
            let line = line(&[("log", format)], "/", headers);
            assert!(!line.contains("trace_id") && !line.contains("span_id"), "{line}");
        }
    }
}

#[test]
fn the_error_says_why_the_body_is_incomplete() {
    let (_, entry) = respond(request_head("POST", "/echo", &[]), &TestHost::default());
    let broken = Completion { error: Some("the client went away"), ..DONE };
    let entry: Json = serde_json::from_str(&entry.unwrap().line(&broken)).unwrap();
    assert_eq!((entry["status"].as_u64(), entry["error"].as_str()), (Some(200), broken.error));
}

/// User agents that try to make a line look like two lines, or like another line.
const FORGERIES: [&str; 8] = [
    "\",\"status\":500,\"x\":\"",
    "a status=500 \"b\"",
    "back\\slash",
    "tab\tbed",
    "é ✓ 🦀",
    "\u{2028}\u{2029}",
    "-",
    "",
];

#[test]
fn a_user_agent_cannot_forge_a_line() {
    for agent in FORGERIES {
        let entry = json("/", &[("user-agent", agent)]);
        assert_eq!((entry["user_agent"].as_str(), entry["status"].as_u64()), (Some(agent), Some(200)));

        let text = line(&[("log", "text")], "/", &[("user-agent", agent)]);
        let value = text.trim_end_matches('\n').split_once("user_agent=").unwrap().1;
        assert_eq!(serde_json::from_str::<String>(value).ok().as_deref(), Some(agent), "quoted: {text}");
        assert_eq!(
            text.matches(" status=").count() + text.matches('\n').count(),
            1 + agent.matches(" status=").count()
        );
    }
}

#[test]
fn control_characters_from_anywhere_are_escaped_in_both_formats() {
    // Hosts and the core reject these characters in headers, but a variable may contain them.
    for format in ["json", "text"] {
        let bad = "x\r\n{\"level\":\"info\"}\u{1b}[2J\u{7f}\u{9b}2J";
        let line = line(&[("log", format), ("version", bad)], "/readyz", &[]);
        let (last, rest) = (line.chars().last(), &line[..line.len() - 1]);
        assert!(last == Some('\n') && !rest.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn a_path_cannot_change_how_a_terminal_shows_the_line() {
    for format in ["json", "text"] {
        let line = line(&[("log", format)], "/\u{9b}31m\u{2028}\u{202e}x", &HEADERS);
        assert!(line.contains(r"/\u009b31m\u2028\u202ex"), "{line:?}");
    }
}

#[test]
fn a_line_fits_into_one_write_for_every_request() {
    let agent = "\"".repeat(60_000);
    let method = "M".repeat(10_000);
    let target = format!("/status/{}", "\"".repeat(50_000));
    let peer = format!("[1111:2222:3333:4444:5555:6666:7777:8888]:{}1", "0".repeat(10_000));
    let headers = [("user-agent", &*agent), ("spin-client-addr", &*peer), TRACE];
    for format in ["json", "text"] {
        let host = TestHost::with([("log", format)]);
        let (_, entry) = respond(request_head(&method, &target, &headers), &host);
        let end = Completion { bytes: u64::MAX, duration: Duration::from_secs(1 << 33), ..DONE };
        let line = entry.unwrap().line(&end);
        assert!(line.len() <= Entry::LINE_LIMIT, "{}", line.len());
        assert_eq!(line.matches('…').count(), 5, "method, path, peer, user agent, and the path in the error: {line}");
    }
}

#[test]
fn a_line_has_room_for_every_bad_variable() {
    const WORST: &str = "\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}";
    let bad: Vec<_> = names().map(|name| (name, WORST)).collect();
    let line = line(&bad, "/readyz", &[]);
    let entry: Json = serde_json::from_str(&line).unwrap();
    assert!(line.len() <= Entry::LINE_LIMIT);
    let error = entry["error"].as_str().unwrap();
    assert!(names().all(|name| error.contains(name)) && !error.ends_with('…'), "{error}");
}

#[test]
fn durations_have_three_decimals_and_times_milliseconds() {
    let (_, entry) = respond(request_head("GET", "/", &[]), &TestHost::default());
    let entry = entry.unwrap();
    for (nanos, expected) in [(0, "0.000"), (999, "0.000"), (1_000, "0.001"), (10_045_000_000, "10045.000")] {
        let line = entry.line(&Completion { duration: Duration::from_nanos(nanos), ..DONE });
        assert!(line.contains(&format!("\"duration_ms\":{expected},")), "{line}");
    }
    let line = entry.line(&Completion { time: Duration::from_nanos(999_999), ..DONE });
    assert!(line.starts_with(r#"{"time":"1970-01-01T00:00:00.000Z""#), "{line}");
}

#[test]
fn the_level_depends_on_status_and_path() {
    let level_for = |path: &str, status| level(path, StatusCode::from_u16(status).unwrap());
    for (path, status, expected) in [
        ("/", 200, Level::Info),
        ("/", 404, Level::Info),
        ("/", 499, Level::Info),
        ("/", 500, Level::Error),
        ("/healthz", 200, Level::Debug),
        ("/readyz", 200, Level::Debug),
        ("/readyz", 503, Level::Error),
        ("/healthz", 405, Level::Info),
        ("/healthz/", 200, Level::Info),
    ] {
        assert_eq!(level_for(path, status), expected, "{path} {status}");
    }
}

#[test]
fn the_log_includes_its_level_and_more_important_ones() {
    for (setting, shown) in [
        ("json:error", [true, false, false]),
        ("json:warn", [true, false, false]),
        ("json", [true, true, false]),
        ("json:info", [true, true, false]),
        ("json:debug", [true, true, true]),
        ("text:error", [true, false, false]),
        ("json:loud", [true, true, false]),
    ] {
        let host = TestHost::with([("log", setting)]);
        let logged = ["/status/500", "/", "/healthz"].map(|path| log(&host, path, &[]).is_some());
        assert_eq!(logged, shown, "{setting}");
    }
}

#[test]
fn an_excluded_entry_reads_no_more_variables() {
    let host = TestHost::default();
    let outcome = Outcome::new(StatusCode::OK, "text/plain", Body::Empty);
    let log = Log { format: Format::Json, level: Level::Info };
    assert!(Entry::new(request_head("GET", "/healthz", &HEADERS).request, &outcome, log, &host).is_none());
    assert_eq!(*host.reads.borrow(), [""; 0]);
}
