//! The responses that the runtime makes itself, without the guest.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

/// A response of fixed bytes.
pub(crate) type LocalResponse = Response<Full<Bytes>>;

/// The start of the paths for which Spin itself responds.
const WELL_KNOWN: &str = "/.well-known/spin/";

/// The route of these paths, for those who keep account of requests.
pub(crate) const WELL_KNOWN_ROUTE: &str = "/.well-known/spin/...";

/// The response of Spin to a path under `/.well-known/spin/`; `None` for every other path.
pub(crate) fn well_known(path: &str, name: &str, version: &str) -> Option<LocalResponse> {
    Some(match path.strip_prefix(WELL_KNOWN)? {
        "health" => Response::new(Full::from("OK")),
        "info" => typed(StatusCode::OK, "application/json", json!({ "name": name, "version": version }).to_string()),
        _ => empty(StatusCode::NOT_FOUND),
    })
}

/// A response with `status` and nothing else.
pub(crate) fn empty(status: StatusCode) -> LocalResponse {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// The media type of [`problem_text`].
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// `status` as problem+json (RFC 9457); `detail` says what was wrong and what was expected.
pub(crate) fn problem(status: StatusCode, detail: &str) -> LocalResponse {
    typed(status, PROBLEM_JSON, problem_text(status, detail))
}

/// The body of [`problem`].
pub(crate) fn problem_text(status: StatusCode, detail: &str) -> String {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), detail };
    // It cannot fail: there are only strings and a number.
    serde_json::to_string(&problem).unwrap_or_default()
}

/// 503 with `retry-after` in seconds: instances are usually free again much sooner.
pub(crate) fn busy(detail: &str) -> LocalResponse {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The members of RFC 9457 §3.1, in its order.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> LocalResponse {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
