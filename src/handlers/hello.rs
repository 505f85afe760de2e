//! `/hello`: a greeting after a random delay, to see requests overlap.

use std::time::Duration;

use http::StatusCode;

use super::{Context, Result};
use crate::config;
use crate::headers::{names, values};
use crate::problem::Problem;
use crate::response::Outcome;

/// Bytes of a query: enough for any encoded name and for other parameters.
const QUERY_LIMIT: usize = 4096;

/// Bytes of a name after decoding.
const USER_LIMIT: usize = 256;

/// The greeting and the request's headers, sorted by name, one value a line.
pub fn handle(context: &Context) -> Result {
    let user = user(context.request.uri().query().unwrap_or_default()).map_err(Problem::bad_request)?;
    let headers = context.request.headers();
    let mut text = format!("hello [{}]\n", user.as_deref().unwrap_or("stranger"));
    for name in names(headers) {
        for value in values::texts(headers, name) {
            for part in [name.as_str(), "=", value, "\n"] {
                text.push_str(part);
            }
        }
    }
    let longest = config::HELLO_MAX_DELAY.read(context.host);
    let delay = Duration::from_millis(context.host.random() % (longest.as_millis() as u64 + 1));
    Ok(Outcome::text(StatusCode::OK, text).after(delay))
}

/// The parameter `user` of a query (`application/x-www-form-urlencoded`), or `None` if it is absent or empty. Other parameters
/// are ignored.
fn user(query: &str) -> std::result::Result<Option<String>, String> {
    if query.len() > QUERY_LIMIT {
        return Err(format!("invalid query: expected at most {QUERY_LIMIT} bytes, got {}", query.len()));
    }
    let mut user = None;
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if name == "user" && user.replace(value).is_some() {
            return Err("invalid query: expected the parameter user once, such as user=ada".to_owned());
        }
    }
    match user {
        Some(user) if user.len() > USER_LIMIT => {
            Err(format!("invalid user: expected at most {USER_LIMIT} bytes, got {}", user.len()))
        }
        Some(user) if user.chars().any(char::is_control) => {
            Err("invalid user: expected text without control characters, such as ada".to_owned())
        }
        user => Ok(user.filter(|user| !user.is_empty())),
    }
}

/// Decodes a name or a value: `+` is a space, `%` and two hexadecimal digits are a byte of UTF-8.
///
/// It is not the crate `form_urlencoded`, because that accepts malformed input (`%zz`, or bytes that are not UTF-8). Here such
/// input is an error.
fn decode(text: &str) -> std::result::Result<String, String> {
    let malformed = "invalid query: expected UTF-8 with two hexadecimal digits after each %, such as user=Zo%C3%AB";
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let pair = digit().zip(digit()).map(|(high, low)| (high << 4 | low) as u8);
                pair.ok_or(malformed)?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| malformed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, get, send};

    #[test]
    fn greets_and_lists_the_headers() {
        let fields = [("X-B", "2"), ("x-a", "é = 1"), ("x-b", "3")];
        let response = send("GET", "/hello?user=Ada", &fields);
        assert_eq!((response.status(), response.body()), (200, "hello [Ada]\nx-a=é = 1\nx-b=2\nx-b=3\n"));
    }

    #[test]
    fn the_name_is_decoded() {
        let cases = [
            ("", "stranger"),
            ("?", "stranger"),
            ("?user", "stranger"),
            ("?user=", "stranger"),
            ("?User=Ada", "stranger"),
            ("?x=1&user=Ada&y", "Ada"),
            ("?user=Ada+Lovelace", "Ada Lovelace"),
            ("?user=%41d%61%2B%26%3d", "Ada+&="),
            ("?user=a=b", "a=b"),
            ("?us%65r=Zo%C3%AB", "Zoë"),
            ("?&&user=Ada&", "Ada"),
        ];
        for (query, name) in cases {
            assert_eq!(get(&format!("/hello{query}")).body(), format!("hello [{name}]\n"), "{query}");
        }
    }

    #[test]
    fn an_invalid_query_gets_400() {
        let cases = [
            ("user=a&user=b", "query: expected the parameter user once, "),
            ("user=a&us%65r=", "query: expected the parameter user once, "),
            ("user=%", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%4", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%zz", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%+1", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%-1", "query: expected UTF-8 with two hexadecimal digits "),
            ("x=%", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%ff", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%C3", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%ed%a0%80", "query: expected UTF-8 with two hexadecimal digits "),
            ("user=%00", "user: expected text without control characters, "),
            ("user=a%0d%0aforged", "user: expected text without control characters, "),
            ("user=%1b[2J", "user: expected text without control characters, "),
            ("user=%c2%9b2J", "user: expected text without control characters, "),
        ];
        for (query, expected) in cases {
            let response = get(&format!("/hello?{query}"));
            let detail = response.detail(400);
            let is_right = detail.starts_with(&format!("invalid {expected}")) && detail.contains(", such as ");
            assert!(is_right, "{query}: {detail}");
            assert!(response.delay.is_zero());
        }
    }

    #[test]
    fn names_and_queries_have_a_limit() {
        let hello = |user: &str, rest: usize| {
            let query = format!("user={user}&");
            get(&format!("/hello?{query}{}", "x".repeat(rest - query.len())))
        };
        assert_eq!(hello(&"a".repeat(256), 4096).status(), 200);
        assert_eq!(hello(&"%C3%AB".repeat(128), 4096).status(), 200);
        assert_eq!(hello(&"a".repeat(257), 4096).detail(400), "invalid user: expected at most 256 bytes, got 257");
        assert_eq!(hello("a", 4097).detail(400), "invalid query: expected at most 4096 bytes, got 4097");
        assert_eq!(hello("a", 65_000).status(), 400);
    }

    #[test]
    fn the_delay_is_random_and_at_most_the_longest() {
        let cases =
            [("2000", 0, 0), ("2000", 2000, 2000), ("2000", 2001, 0), ("0", u64::MAX, 0), ("10000", 10_000, 10_000)];
        for (longest, random, millis) in cases {
            let host = TestHost::with([("hello_max_delay_ms", longest)]).with_random(random);
            let response = host.get("/hello");
            assert_eq!(response.delay, Duration::from_millis(millis), "{longest} {random}");
        }
    }
}
