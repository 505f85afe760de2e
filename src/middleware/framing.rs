//! How long a response's body is, and whether it is sent.

use crate::response::Body;
use http::header::CONTENT_LENGTH;
use http::{Method, Response};

/// States the length of a body that is known. The answer to HEAD has the header fields of the one to GET and nothing after
/// them (RFC 9110 §9.3.2).
pub fn frame(method: &Method, response: &mut Response<Body>) {
    if let Body::Text(text) = response.body() {
        let length = text.len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    if method == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
}
