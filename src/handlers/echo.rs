//! `/echo`: returns the request's body.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};

use super::{Context, Result};
use crate::response::{AnnouncedLength, Body, Outcome};

/// The types that come back. A browser does not make a page of them. Without such a list, who can make a browser send a request
/// could show a page of their own under this server's name.
const TYPES: [&str; 8] = [
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
];

/// The second wall: if a browser makes a page of a body nevertheless, it runs and loads nothing.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// 200 with the request's body, which may have any size, and with its length and type if the request has them. A type that is not
/// in [`TYPES`] becomes `application/octet-stream`.
pub fn handle(context: &Context) -> Result {
    let request = context.request.headers();
    let length = request.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let body = Body::Echo(AnnouncedLength(length));
    let mut outcome = Outcome::new(StatusCode::OK, "application/octet-stream", body)
        .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .header(CONTENT_SECURITY_POLICY, POLICY);
    if let Some(content_type) = request.get(CONTENT_TYPE).filter(|content_type| is_harmless(content_type)) {
        outcome = outcome.header(CONTENT_TYPE, content_type.clone());
    }
    if let Some(length) = length {
        outcome = outcome.header(CONTENT_LENGTH, length.into());
    }
    Ok(outcome)
}

/// Whether the type is in [`TYPES`]. Its parameters do not matter.
fn is_harmless(content_type: &HeaderValue) -> bool {
    let essence = content_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    TYPES.iter().any(|harmless| essence.eq_ignore_ascii_case(harmless.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::send;

    #[test]
    fn the_body_comes_back_with_its_type_and_length() {
        for method in ["POST", "PUT", "PATCH"] {
            let response = send(method, "/echo", &[("content-type", "image/png"), ("content-length", "1073741824")]);
            assert_eq!(
                (response.status(), response.response.body()),
                (200, &Body::Echo(AnnouncedLength(Some(1_073_741_824))))
            );
            let described = ["content-type", "content-length", "cache-control"].map(|name| response.field(name));
            assert_eq!(described, ["image/png", "1073741824", "no-store"]);
        }
    }

    #[test]
    fn only_a_type_that_is_no_page_comes_back() {
        let returned = ["text/plain; charset=utf-8", "Application/JSON", "image/png ;a=b", "application/octet-stream"];
        let replaced = [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "text/html;image/png",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "multipart/x-mixed-replace",
            "application/javascript",
            "application/pdf",
            "text/plain, text/html",
            "text/plain,text/html;",
            "",
            "; text/plain",
        ];
        for content_type in returned.into_iter().chain(replaced) {
            let response = send("POST", "/echo", &[("content-type", content_type)]);
            let expected = if returned.contains(&content_type) { content_type } else { "application/octet-stream" };
            let described = ["content-type", "content-security-policy"].map(|name| response.field(name));
            assert_eq!(described, [expected, "default-src 'none'; sandbox"], "{content_type:?}");
        }
    }

    #[test]
    fn a_body_without_a_type_or_a_valid_length_comes_back_without_them() {
        for length in ["", "-1", "1e3", "99999999999999999999"] {
            let response = send("POST", "/echo", &[("content-length", length)]);
            assert_eq!(response.response.body(), &Body::Echo(AnnouncedLength(None)), "{length}");
            let described = ["content-type", "content-length"].map(|name| response.field(name));
            assert_eq!(described, ["application/octet-stream", ""], "{length}");
        }
    }
}
