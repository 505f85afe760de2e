//! `/`: shows what arrived, by sending the request's header fields back.

use crate::headers::echo;
use crate::problem::Problem;
use crate::response::Answer;
use crate::router::Context;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

/// Answers 200 with the request's header fields, as far as they may be echoed.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let mut answer = Answer::text(StatusCode::OK, "response write ok");
    echo::echo(context.request.headers(), answer.response.headers_mut());
    // Last, so that it also replaces what the request said.
    Ok(answer.header(CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

#[cfg(test)]
mod tests {
    use crate::testing::{answer, get};

    #[test]
    fn any_path_and_method_gets_its_header_fields_back() {
        let fields = [("x-a", "1"), ("X-B", "2"), ("x-a", "3"), ("version", "forged"), ("host", "h")];
        for (method, target) in
            [("GET", "/"), ("POST", "/"), ("BREW", "/tea/pot?x=1"), ("OPTIONS", "*"), ("DELETE", "//")]
        {
            let answer = answer(method, target, &fields);
            assert_eq!((answer.status(), answer.body()), (200, "response write ok"), "{method} {target}");
            let echoed = ["x-a", "x-b", "version", "host"].map(|name| answer.field(name));
            assert_eq!(echoed, ["1, 3", "2", "dev", ""]);
        }
    }

    #[test]
    fn the_answer_describes_its_own_body_and_is_not_stored() {
        let lies = [("cache-control", "max-age=9"), ("content-length", "5"), ("content-type", "image/png")];
        for answer in [answer("POST", "/", &lies), get("/")] {
            let described = ["cache-control", "content-length", "content-type"].map(|name| answer.field(name));
            assert_eq!(described, ["no-store", "17", "text/plain; charset=utf-8"]);
        }
    }
}
