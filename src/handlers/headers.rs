//! `/headers`: the request's headers, as they arrived.

use http::HeaderName;

use super::{Context, Result};
use crate::headers::{names, values};
use crate::json::Object;
use crate::response::Outcome;

/// An object with all headers, sorted by name. Each is an array of its values, in their order.
pub fn handle(context: &Context) -> Result {
    let headers = context.request.headers();
    let add = |object: Object, name: &HeaderName| object.strings(name.as_str(), values::texts(headers, name));
    Ok(Outcome::json(names(headers).into_iter().fold(Object::default(), add).finish()))
}

#[cfg(test)]
mod tests {
    use crate::testing::{get, send};

    #[test]
    fn lists_all_headers_sorted_and_as_they_arrived() {
        let fields =
            [("X-B", "2"), ("connection", "x-b"), ("x-a", "\"é\\\t"), ("x-b", ""), ("spin-client-addr", "1.1.1.1:1")];
        let expected = r#"{"connection":["x-b"],"spin-client-addr":["1.1.1.1:1"],"x-a":["\"é\\\t"],"x-b":["2",""]}"#;
        let response = send("GET", "/headers", &fields);
        assert_eq!((response.body(), response.field("content-type")), (expected, "application/json"));
        assert_eq!(get("/headers").body(), "{}");
    }
}
