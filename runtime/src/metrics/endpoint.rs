//! The responses of the metrics' address.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

use super::accept::Format;
use super::{Metrics, exposition};
use crate::local_response::{self, LocalResponse};
use crate::log;

/// The only path.
pub(super) const PATH: &str = "/metrics";

/// The response to a request with this head.
pub(super) fn respond(metrics: &Metrics, request: &Parts) -> LocalResponse {
    if request.uri.path() != PATH {
        return local_response::problem(StatusCode::NOT_FOUND, &format!("invalid path: expected {PATH}"));
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        let mut response = local_response::problem(StatusCode::METHOD_NOT_ALLOWED, "expected GET or HEAD");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    // Several fields are as good as one (RFC 9110 §5.3).
    let accept: Vec<_> = request.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::negotiate(Some(accept.join(",").as_str()));
    match exposition::render(metrics.snapshot(), format) {
        Ok(text) => {
            let mut response = Response::new(Full::new(Bytes::from(text)));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
            response
        }
        Err(error) => {
            log::line(format_args!("cannot write metrics: {error:#}"));
            local_response::empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
