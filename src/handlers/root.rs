//! `/`: returns the request's headers as response headers, to show what arrived.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use super::{Context, Result};
use crate::headers::echo::echo_headers;
use crate::response::Outcome;

/// 200 with those of the request's headers that may come back.
pub fn handle(context: &Context) -> Result {
    let mut outcome = Outcome::text(StatusCode::OK, "response write ok");
    echo_headers(context.request.headers(), outcome.response.headers_mut());
    // At the end, because it also replaces the header that the request may have.
    Ok(outcome.header(CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

#[cfg(test)]
mod tests {
    use crate::testing::{get, send};

    #[test]
    fn the_headers_come_back_for_any_path_and_method() {
        let fields = [("x-a", "1"), ("X-B", "2"), ("x-a", "3"), ("version", "forged"), ("host", "h")];
        for (method, target) in
            [("GET", "/"), ("POST", "/"), ("BREW", "/tea/pot?x=1"), ("OPTIONS", "*"), ("DELETE", "//")]
        {
            let response = send(method, target, &fields);
            assert_eq!((response.status(), response.body()), (200, "response write ok"), "{method} {target}");
            let echoed = ["x-a", "x-b", "version", "host"].map(|name| response.field(name));
            assert_eq!(echoed, ["1, 3", "2", "dev", ""]);
        }
    }

    #[test]
    fn the_headers_describe_the_response_and_forbid_storing_it() {
        let lies = [("cache-control", "max-age=9"), ("content-length", "5"), ("content-type", "image/png")];
        for response in [send("POST", "/", &lies), get("/")] {
            let described = ["cache-control", "content-length", "content-type"].map(|name| response.field(name));
            assert_eq!(described, ["no-store", "17", "text/plain; charset=utf-8"]);
        }
    }
}
