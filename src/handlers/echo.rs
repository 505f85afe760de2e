//! `/echo`: the request's body comes back.

use crate::problem::Problem;
use crate::response::{Announced, Answer, Body};
use crate::router::Context;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

/// Answers 200 with the body as it arrives, of any size, and with its type and its length where the request gives them.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let request = context.request.headers();
    let length = request.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let mut answer = Answer::new(StatusCode::OK, "application/octet-stream", Body::Echo(Announced(length)))
        .header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(content_type) = request.get(CONTENT_TYPE) {
        answer = answer.header(CONTENT_TYPE, content_type.clone());
    }
    if let Some(length) = length {
        answer = answer.header(CONTENT_LENGTH, length.into());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use crate::testing::answer;
    use crate::{Announced, Body};

    #[test]
    fn sends_the_body_back_with_its_type_and_length() {
        for method in ["POST", "PUT", "PATCH"] {
            let answer = answer(method, "/echo", &[("content-type", "image/png"), ("content-length", "1073741824")]);
            assert_eq!((answer.status(), answer.response.body()), (200, &Body::Echo(Announced(Some(1_073_741_824)))));
            let described = ["content-type", "content-length", "cache-control"].map(|name| answer.field(name));
            assert_eq!(described, ["image/png", "1073741824", "no-store"]);
        }
    }

    #[test]
    fn a_body_of_unknown_type_or_length_stays_so() {
        for length in ["", "-1", "1e3", "99999999999999999999"] {
            let answer = answer("POST", "/echo", &[("content-length", length)]);
            assert_eq!(answer.response.body(), &Body::Echo(Announced(None)), "{length}");
            let described = ["content-type", "content-length"].map(|name| answer.field(name));
            assert_eq!(described, ["application/octet-stream", ""], "{length}");
        }
    }
}
