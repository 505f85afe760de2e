//! Sets `content-length`; drops the body for HEAD.

use http::header::CONTENT_LENGTH;
use http::{Method, Response};

use crate::response::Body;

/// Sets the length of a text. The response to HEAD has the headers of the response to GET and no body (RFC 9110 §9.3.2).
pub fn finish_body(method: &Method, response: &mut Response<Body>) {
    if let Body::Text(text) = response.body() {
        let length = text.len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    if method == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
}
