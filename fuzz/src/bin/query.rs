//! Input: the query of `/hello`. The response greets a name without control characters, of at most 256 bytes, or is a problem.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../request.rs"]
mod request;

use request::{Variables, get, is_obeyed, text};

target!(check);

fn check(input: &[u8]) {
    let Ok(query) = str::from_utf8(input) else { return };
    let (outcome, _) = get(&format!("/hello?{query}"), Vec::new(), &Variables(&[]));
    if outcome.response.status() != 200 {
        assert_eq!(outcome.response.status(), 400);
        let problem: serde_json::Value = serde_json::from_str(text(&outcome)).expect("it is JSON");
        assert!(problem["detail"].as_str().expect("it has a detail").starts_with("invalid "));
        assert!(!is_obeyed(text(&outcome)));
        return;
    }
    let name = text(&outcome).strip_prefix("hello [").and_then(|rest| rest.strip_suffix("]\n")).expect("a greeting");
    assert!((1..=256).contains(&name.len()) && !name.chars().any(char::is_control), "{name:?}");
    // Without an escape or a repetition the name is there as it is.
    let plain: Vec<_> =
        query.split('#').next().unwrap_or_default().split('&').filter_map(|part| part.strip_prefix("user=")).collect();
    if let ([user], false) = (&plain[..], query.contains(['%', '+']))
        && !user.is_empty()
    {
        assert_eq!(name, *user);
    }
}
