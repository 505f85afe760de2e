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

/// Names of headers that do not come back, by the reason.
const WITHHELD: [&[&str]; 5] = [
    // For one connection, not for client and server (RFC 9110 §7.6.1).
    &["connection", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"],
    // They describe the request's body, and would be wrong for the response's body, or for what a browser does with it.
    &[
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-location",
        "content-range",
        "content-security-policy",
        "content-security-policy-report-only",
        "content-type",
    ],
    // Only the server may set them; `expect` has no meaning in a response.
    &["date", "expect", "host", "server", "set-cookie", "version"],
    // A browser obeys them: for the whole site, for a long time, or by going somewhere else.
    &[
        "alt-svc",
        "clear-site-data",
        "link",
        "location",
        "nel",
        "permissions-policy",
        "referrer-policy",
        "refresh",
        "report-to",
        "reporting-endpoints",
        "service-worker-allowed",
        "speculation-rules",
        "strict-transport-security",
        "timing-allow-origin",
        "www-authenticate",
    ],
    // A proxy or a cache obeys them, some of them even over `cache-control: no-store`.
    &[
        "age",
        "cache-tag",
        "cache-tags",
        "edge-cache-tag",
        "edge-control",
        "expires",
        "fly-replay",
        "no-vary-search",
        "vary",
        "xkey",
    ],
];

/// For each length of a name, one bit for each first letter: whether [`WITHHELD`] has such a name. For most headers of a request
/// it does not, and then nothing is compared. The longest name has 35 bytes; a longer one would not compile.
const FIRST_LETTERS: [u32; 36] = {
    let mut letters = [0; _];
    let mut list = 0;
    while list < WITHHELD.len() {
        let mut index = 0;
        while index < WITHHELD[list].len() {
            let name = WITHHELD[list][index].as_bytes();
            letters[name.len()] |= 1 << (name[0] - b'a');
            index += 1;
        }
        list += 1;
    }
    letters
};

fn is_withheld(name: &str) -> bool {
    // The runtime adds `spin-*` to a request. They come first because they are most of the headers of a short request.
    name.starts_with("spin-")
        || (may_be_listed(name) && WITHHELD.iter().any(|names| names.contains(&name)))
        || withheld_prefixes(name).iter().any(|prefix| name.starts_with(prefix))
        // `cdn-cache-control` and others like it. `cache-control` itself is replaced.
        || name.ends_with("-cache-control")
}

fn may_be_listed(name: &str) -> bool {
    let letter = name.as_bytes()[0].wrapping_sub(b'a');
    letter < 26 && FIRST_LETTERS.get(name.len()).is_some_and(|letters| letters >> letter & 1 == 1)
}

/// Beginnings of names that do not come back, of those that begin like this one. They are for one connection, or a browser or a
/// proxy obeys them: `x-accel-redirect` makes NGINX serve another file, `x-envoy-immediate-health-check-fail` makes Envoy drop
/// this server.
fn withheld_prefixes(name: &str) -> &'static [&'static str] {
    match name.as_bytes() {
        [b'a', b'c', ..] => &["access-control-"],
        [b'c', b'r', ..] => &["cross-origin-"],
        [b'p', b'r', ..] => &["proxy-"],
        [b's', b'u', ..] => &["surrogate-"],
        [b'x', b'-', ..] => &["x-accel-", "x-envoy-", "x-lighttpd-", "x-litespeed-", "x-reproxy-", "x-sendfile"],
        _ => &[],
    }
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
            content-disposition content-encoding content-length content-location content-range content-security-policy \
            content-security-policy-report-only content-type \
            date expect host server set-cookie version \
            spin-client-addr spin-full-url spin-path-match-x \
            access-control-allow-origin access-control-request-method alt-svc \
            clear-site-data cross-origin-opener-policy link location nel permissions-policy \
            referrer-policy refresh report-to reporting-endpoints service-worker-allowed \
            speculation-rules strict-transport-security timing-allow-origin www-authenticate \
            age cache-tag cache-tags edge-cache-tag edge-control expires fly-replay no-vary-search surrogate-control \
            surrogate-key vary x-accel-redirect x-accel-expires x-accel-buffering x-accel-charset x-accel-limit-rate \
            x-envoy-immediate-health-check-fail x-lighttpd-send-file x-litespeed-location x-reproxy-url x-sendfile \
            x-sendfile2 xkey cdn-cache-control cloudflare-cdn-cache-control x-litespeed-cache-control";
        for name in withheld.split_whitespace() {
            assert_eq!(echoed(&[(name, "v")]), [], "{name}");
            assert_eq!(echoed(&[(&name.to_uppercase(), "v")]), [], "{name}");
        }
    }

    #[test]
    fn headers_with_similar_names_come_back() {
        let similar = "connections content-language content-md5 x-version x-spin-a ted trailers server-timing proxy \
            x-accelerate x-send x-location relocation x-refresh expire ages x-age linked cache-control authorization \
            x-cache-control-x surrogate access-control";
        for name in similar.split_whitespace() {
            assert_eq!(echoed(&[(name, "v")]), fields(&[(name, "v")]));
        }
    }

    #[test]
    fn usual_headers_are_compared_with_no_name() {
        let usual = "accept accept-encoding accept-language authorization cookie dnt origin priority sec-fetch-mode \
            traceparent user-agent x-forwarded-for x-request-id 1-a _a";
        for name in usual.split_whitespace() {
            assert!(!may_be_listed(name), "{name}");
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
