//! Which request headers come back as response headers.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

use super::values;

/// Copies the headers that may come back. Several values of one name become one, joined with `, `.
pub fn echo_headers(request: &HeaderMap, response: &mut HeaderMap) {
    response.reserve(request.keys_len());
    for name in request.keys() {
        if !is_withheld(name.as_str()) && !is_nominated(request, name) {
            response.insert(name, joined(request, name));
        }
    }
}

/// Headers for one connection, not for client and server (RFC 9110 §7.6.1). Headers that begin with `proxy-` are others.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Headers that describe the request's body. They would be wrong for the response's body.
const REPRESENTATION: [&str; 4] = ["content-encoding", "content-length", "content-range", "content-type"];

/// Headers that only the server may set, and `expect`, which has no meaning in a response.
const SERVER: [&str; 6] = ["date", "expect", "host", "server", "set-cookie", "version"];

fn is_withheld(name: &str) -> bool {
    let lists: [&[&str]; 3] = [&HOP_BY_HOP, &REPRESENTATION, &SERVER];
    // The runtime adds `spin-*` to a request.
    lists.iter().any(|list| list.contains(&name)) || name.starts_with("proxy-") || name.starts_with("spin-")
}

/// Whether `connection` names the header. Then it is for one connection (RFC 9110 §7.6.1).
fn is_nominated(request: &HeaderMap, name: &HeaderName) -> bool {
    let is_name = |option: &[u8]| option.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes());
    request.get_all(CONNECTION).iter().any(|options| options.as_bytes().split(|byte| *byte == b',').any(is_name))
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> HeaderValue {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        // The usual case. It shares the value and copies nothing.
        (Some(value), None) => value.clone(),
        _ => {
            let values: Vec<_> = values::texts(headers, name).collect();
            HeaderValue::try_from(values.join(", ")).expect("joined values are a valid value")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::header_map;

    fn echoed(request: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut response = HeaderMap::new();
        echo_headers(&header_map(request), &mut response);
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        let mut fields: Vec<_> = response.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        fields.sort();
        fields
    }

    fn fields(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn ordinary_headers_come_back() {
        let ordinary = [("accept", "*/*"), ("cookie", "a=b"), ("user-agent", "é/1"), ("x-forwarded-for", "1.2.3.4")];
        assert_eq!(echoed(&ordinary), fields(&ordinary));
    }

    #[test]
    fn the_values_of_one_name_are_joined_in_order() {
        let repeated = [("X-A", "1"), ("x-b", ""), ("x-a", "2, 3"), ("x-A", ""), ("X-a", "4")];
        assert_eq!(echoed(&repeated), fields(&[("x-a", "1, 2, 3, , 4"), ("x-b", "")]));
    }

    #[test]
    fn withheld_headers_do_not_come_back_in_any_case() {
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
    fn headers_with_similar_names_come_back() {
        for name in ["connections", "content-language", "x-version", "x-spin-a", "ted", "trailers", "server-timing"] {
            assert_eq!(echoed(&[(name, "v")]), fields(&[(name, "v")]));
        }
    }

    #[test]
    fn headers_that_connection_names_do_not_come_back() {
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
