//! `/headers`: the request's header fields, as they arrived.

use crate::headers::values;
use crate::json::Object;
use crate::problem::Problem;
use crate::response::Answer;
use crate::router::Context;
use http::{HeaderMap, HeaderName};

/// Answers with an object of all fields, sorted by name; each is an array of its values, in their order.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let headers = context.request.headers();
    let add = |object: Object, name: &HeaderName| object.strings(name.as_str(), values::texts(headers, name));
    Ok(Answer::json(names(headers).into_iter().fold(Object::default(), add).finish()))
}

/// The names of all fields, sorted.
pub fn names(headers: &HeaderMap) -> Vec<&HeaderName> {
    let mut names: Vec<&HeaderName> = Vec::with_capacity(headers.keys_len());
    for name in headers.keys() {
        // A hundred at most: std's sort would only be 10 KB more to download.
        names.insert(names.partition_point(|earlier| earlier.as_str() < name.as_str()), name);
    }
    names
}

#[cfg(test)]
mod tests {
    use crate::testing::{answer, get};

    #[test]
    fn lists_all_fields_sorted_and_as_they_arrived() {
        let fields =
            [("X-B", "2"), ("connection", "x-b"), ("x-a", "\"é\\\t"), ("x-b", ""), ("spin-client-addr", "1.1.1.1:1")];
        let expected = r#"{"connection":["x-b"],"spin-client-addr":["1.1.1.1:1"],"x-a":["\"é\\\t"],"x-b":["2",""]}"#;
        let answer = answer("GET", "/headers", &fields);
        assert_eq!((answer.body(), answer.field("content-type")), (expected, "application/json"));
        assert_eq!(get("/headers").body(), "{}");
    }
}
