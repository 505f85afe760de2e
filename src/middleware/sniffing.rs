//! The response header `x-content-type-options`: a browser takes the body for what `content-type` says, not for what it looks like.

use http::HeaderMap;
use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};

/// Sets the header, <https://fetch.spec.whatwg.org/#x-content-type-options-header>.
pub fn forbid(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
