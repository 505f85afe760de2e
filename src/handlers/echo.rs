//! `/echo`: returns the request's body.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

use super::{Context, Result};
use crate::response::{AnnouncedLength, Body, Outcome};

/// 200 with the request's body, which may have any size, and with its type and length if the request has them.
pub fn handle(context: &Context) -> Result {
    let request = context.request.headers();
    let length = request.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let body = Body::Echo(AnnouncedLength(length));
    let mut outcome = Outcome::new(StatusCode::OK, "application/octet-stream", body)
        .header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(content_type) = request.get(CONTENT_TYPE) {
        outcome = outcome.header(CONTENT_TYPE, content_type.clone());
    }
    if let Some(length) = length {
        outcome = outcome.header(CONTENT_LENGTH, length.into());
    }
    Ok(outcome)
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
    fn a_body_without_a_type_or_a_valid_length_comes_back_without_them() {
        for length in ["", "-1", "1e3", "99999999999999999999"] {
            let response = send("POST", "/echo", &[("content-length", length)]);
            assert_eq!(response.response.body(), &Body::Echo(AnnouncedLength(None)), "{length}");
            let described = ["content-type", "content-length"].map(|name| response.field(name));
            assert_eq!(described, ["application/octet-stream", ""], "{length}");
        }
    }
}
