//! Which request header fields come back as response header fields.

use crate::headers::values;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

/// Copies what may be echoed; the values of one name become one, joined with `, `.
pub fn echo(request: &HeaderMap, response: &mut HeaderMap) {
    response.reserve(request.keys_len());
    for name in request.keys() {
        if !is_withheld(name.as_str()) && !is_nominated(request, name) {
            response.insert(name, joined(request, name));
        }
    }
}

/// Fields between two neighbours, not between client and server (RFC 9110 §7.6.1); `proxy-*` are too.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Fields that describe the body of the request, and would lie about that of the response.
const REPRESENTATION: [&str; 4] = ["content-encoding", "content-length", "content-range", "content-type"];

/// Fields that only the server itself may send, and `expect`, which means nothing in a response.
const SERVERS_OWN: [&str; 6] = ["date", "expect", "host", "server", "set-cookie", "version"];

fn is_withheld(name: &str) -> bool {
    let lists: [&[&str]; 3] = [&HOP_BY_HOP, &REPRESENTATION, &SERVERS_OWN];
    // `spin-*` is what the runtime adds to a request.
    lists.iter().any(|list| list.contains(&name)) || name.starts_with("proxy-") || name.starts_with("spin-")
}

/// Whether `connection` names the field, which makes it hop-by-hop (RFC 9110 §7.6.1).
fn is_nominated(request: &HeaderMap, name: &HeaderName) -> bool {
    let is_name = |option: &[u8]| option.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes());
    request.get_all(CONNECTION).iter().any(|options| options.as_bytes().split(|byte| *byte == b',').any(is_name))
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> HeaderValue {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        // Nearly always: the value is shared, not copied.
        (Some(value), None) => value.clone(),
        _ => {
            let values: Vec<_> = values::texts(headers, name).collect();
            HeaderValue::try_from(values.join(", ")).expect("values joined are a value")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::headers;

    fn echoed(request: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut response = HeaderMap::new();
        echo(&headers(request), &mut response);
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        let mut fields: Vec<_> = response.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        fields.sort();
        fields
    }

    fn fields(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn ordinary_fields_come_back() {
        let ordinary = [("accept", "*/*"), ("cookie", "a=b"), ("user-agent", "é/1"), ("x-forwarded-for", "1.2.3.4")];
        assert_eq!(echoed(&ordinary), fields(&ordinary));
    }

    #[test]
    fn the_values_of_one_name_are_joined_in_order() {
        let repeated = [("X-A", "1"), ("x-b", ""), ("x-a", "2, 3"), ("x-A", ""), ("X-a", "4")];
        assert_eq!(echoed(&repeated), fields(&[("x-a", "1, 2, 3, , 4"), ("x-b", "")]));
    }

    #[test]
    fn withheld_fields_do_not_come_back_whatever_their_case() {
        let withheld = "connection http2-settings keep-alive te trailer transfer-encoding upgrade \
            proxy-authenticate proxy-authorization proxy-connection proxy-anything \
            content-encoding content-length content-range content-type \
            date expect host server set-cookie version \
            spin-client-addr spin-full-url spin-path-match-x";
        for name in withheld.split_whitespace() {
            assert_eq!(echoed(&[(name, "v")]), [], "{name}");
            assert_eq!(echoed(&[(&name.to_uppercase(), "v")]), [], "{name}");
        }
    }

    #[test]
    fn names_that_only_look_like_withheld_ones_come_back() {
        for name in ["connections", "content-language", "x-version", "x-spin-a", "ted", "trailers", "server-timing"] {
            assert_eq!(echoed(&[(name, "v")]), fields(&[(name, "v")]));
        }
    }

    #[test]
    fn fields_that_connection_names_do_not_come_back() {
        let request = [
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("Connection", " ,x-other\t"),
            ("x-other", "2"),
            ("x-third", "3"),
        ];
        assert_eq!(echoed(&request), fields(&[("x-third", "3")]));
    }
}
