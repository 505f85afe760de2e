//! Input: the headers of a request, a line each. Whatever they are, `/` returns none that a client, a browser or a proxy obeys.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../request.rs"]
mod request;

use request::{Variables, get, headers};

target!(check);

/// What the server sets itself.
const OWN: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("content-length", "17"),
    ("content-type", "text/plain; charset=utf-8"),
    ("version", "dev"),
    ("x-content-type-options", "nosniff"),
];

/// Never from the client, by name and by the parts that a name may have. The core has this in another form.
const OBEYED: &str = "connection date expect expires host link location nel refresh server set-cookie te trailer upgrade \
    alt-svc clear-site-data strict-transport-security www-authenticate transfer-encoding keep-alive age vary report-to \
    content-encoding content-range content-disposition content-security-policy content-location cache-tag fly-replay";
const OBEYED_BEGINNINGS: &str =
    "access-control- cross-origin- proxy- spin- surrogate- x-accel- x-envoy- x-reproxy- x-sendfile";

fn check(input: &[u8]) {
    let sent = headers(input);
    let (outcome, _) = get("/", sent.clone(), &Variables(&[]));
    let response = outcome.response;
    if response.status() != 200 {
        assert_eq!(response.status(), 400);
        return;
    }
    for (name, value) in response.headers() {
        assert!(value.as_bytes().iter().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f));
        let name = name.as_str();
        if let Some((_, own)) = OWN.iter().find(|(own, _)| *own == name) {
            assert_eq!(value, own, "{name}");
            continue;
        }
        let of_name = sent.iter().filter(|(sent, _)| sent.eq_ignore_ascii_case(name));
        let values: Vec<_> = of_name.map(|(_, value)| String::from_utf8_lossy(value)).collect();
        assert_eq!(String::from_utf8_lossy(value.as_bytes()), values.join(", "), "{name}");
        assert!(!OBEYED.split_whitespace().any(|obeyed| obeyed == name), "{name}");
        assert!(!OBEYED_BEGINNINGS.split_whitespace().any(|beginning| name.starts_with(beginning)), "{name}");
        assert!(!name.ends_with("-cache-control"), "{name}");
        let nominations = sent.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
        for (_, options) in nominations {
            let options = String::from_utf8_lossy(options).to_ascii_lowercase();
            assert!(!options.split(',').any(|option| option.trim() == name), "{name}");
        }
    }
}
