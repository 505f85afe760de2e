//! `/status/{code}`: a response with any status, to see how clients and proxies treat it.

use http::StatusCode;

use super::{Context, Result};
use crate::problem::{Problem, invalid};
use crate::response::Outcome;

/// The status in the path. An error is a problem, as everywhere.
pub fn handle(context: &Context) -> Result {
    let code = context.parameter;
    let status = StatusCode::from_bytes(code.as_bytes()).ok().filter(|status| (200..600).contains(&status.as_u16()));
    let Some(status) = status else {
        return Err(Problem::bad_request(invalid("status", code, "a whole number from 200 to 599, such as 404")));
    };
    if status.is_client_error() || status.is_server_error() {
        return Err(Problem::new(status, "the path asked for this status"));
    }
    Ok(match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Outcome::empty(status),
        // Unlike those two it has a body, of length 0 (RFC 9110 §15.3.6).
        StatusCode::RESET_CONTENT => Outcome::text(status, ""),
        _ => Outcome::text(status, status.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use crate::response::Body;
    use crate::testing::{get, send};

    #[test]
    fn the_status_is_that_of_the_path_for_every_method() {
        for (code, body) in [("200", "200 OK"), ("299", "299 <unknown status code>"), ("302", "302 Found"), ("205", "")]
        {
            for method in ["GET", "POST", "OPTIONS", "BREW"] {
                let response = send(method, &format!("/status/{code}"), &[]);
                assert_eq!((response.response.status().as_str(), response.body()), (code, body));
                assert_eq!(response.field("content-length"), body.len().to_string());
            }
        }
    }

    #[test]
    fn an_error_status_is_a_problem() {
        for (code, title) in
            [(400, "Bad Request"), (418, "I'm a teapot"), (503, "Service Unavailable"), (599, "Unassigned")]
        {
            let response = get(&format!("/status/{code}"));
            assert_eq!(response.detail(code), "the path asked for this status");
            assert!(response.body().contains(&format!("\"title\":\"{title}\"")), "{}", response.body());
        }
    }

    #[test]
    fn some_statuses_have_no_body() {
        for code in [204, 304] {
            let response = get(&format!("/status/{code}"));
            assert_eq!((response.status(), response.response.body()), (code, &Body::Empty));
            assert_eq!((response.field("content-length"), response.field("content-type")), ("", ""));
        }
    }

    #[test]
    fn an_invalid_status_gets_400() {
        for code in
            ["", "0", "99", "100", "101", "199", "600", "999", "1000", "-1", "+200", "20", "0200", "2e2", "NaN", "OK"]
        {
            let detail = get(&format!("/status/{code}")).detail(400);
            let expected = "a whole number from 200 to 599, such as 404";
            assert_eq!(detail, format!("invalid status \"{code}\": expected {expected}"));
        }
        assert!(get(&format!("/status/{}", "2".repeat(60_000))).detail(400).len() < 200);
    }
}
