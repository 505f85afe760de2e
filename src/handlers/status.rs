//! `/status/{code}`: any status, to see what clients and proxies make of it.

use crate::problem::{Problem, quoted};
use crate::response::Answer;
use crate::router::Context;
use http::StatusCode;

/// Answers with the status that the path asks for; an error is a problem like any other.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let code = context.parameter;
    let status = StatusCode::from_bytes(code.as_bytes()).ok().filter(|status| (200..600).contains(&status.as_u16()));
    let Some(status) = status else {
        let detail =
            format!("{} is no status that can be asked for; accepted is a whole number from 200 to 599", quoted(code));
        return Err(Problem::bad_request(detail));
    };
    if status.is_client_error() || status.is_server_error() {
        return Err(Problem::new(status, "the path asked for this status"));
    }
    Ok(match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Answer::empty(status),
        // Unlike those it ends like any other, only without content (RFC 9110 §15.3.6).
        StatusCode::RESET_CONTENT => Answer::text(status, ""),
        _ => Answer::text(status, status.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use crate::Body;
    use crate::testing::{answer, get};

    #[test]
    fn answers_with_the_status_in_the_path_whatever_the_method() {
        for (code, body) in [("200", "200 OK"), ("299", "299 <unknown status code>"), ("302", "302 Found"), ("205", "")]
        {
            for method in ["GET", "POST", "OPTIONS", "BREW"] {
                let answer = answer(method, &format!("/status/{code}"), &[]);
                assert_eq!((answer.response.status().as_str(), answer.body()), (code, body));
                assert_eq!(answer.field("content-length"), body.len().to_string());
            }
        }
    }

    #[test]
    fn an_error_status_is_a_problem() {
        for (code, title) in
            [(400, "Bad Request"), (418, "I'm a teapot"), (503, "Service Unavailable"), (599, "Unassigned")]
        {
            let answer = get(&format!("/status/{code}"));
            assert_eq!(answer.detail(code), "the path asked for this status");
            assert!(answer.body().contains(&format!("\"title\":\"{title}\"")), "{}", answer.body());
        }
    }

    #[test]
    fn some_statuses_have_no_body() {
        for code in [204, 304] {
            let answer = get(&format!("/status/{code}"));
            assert_eq!((answer.status(), answer.response.body()), (code, &Body::Empty));
            assert_eq!((answer.field("content-length"), answer.field("content-type")), ("", ""));
        }
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for code in
            ["", "0", "99", "100", "101", "199", "600", "999", "1000", "-1", "+200", "20", "0200", "2e2", "NaN", "OK"]
        {
            let detail = get(&format!("/status/{code}")).detail(400);
            let expected = "is no status that can be asked for; accepted is a whole number from 200 to 599";
            assert_eq!(detail, format!("\"{code}\" {expected}"));
        }
        assert!(get(&format!("/status/{}", "2".repeat(60_000))).detail(400).len() < 200);
    }
}
