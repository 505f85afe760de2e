//! `/readyz`: readiness, which is where a bad configuration shows.

use crate::config;
use crate::problem::Problem;
use crate::response::Answer;
use crate::router::Context;
use http::StatusCode;

/// Answers 200, or 503 with every bad variable.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let faults = config::faults(context.host);
    if faults.is_empty() {
        Ok(Answer::text(StatusCode::OK, "200 ok"))
    } else {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, faults.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, get, received};

    #[test]
    fn answers_200_with_good_variables() {
        assert_eq!((get("/readyz").status(), get("/readyz").body()), (200, "200 ok"));
    }

    #[test]
    fn names_every_bad_variable_and_the_log_says_the_same() {
        let host = TestHost::with(&[("trusted_hops", "-1"), ("log_level", "loud")]);
        let (answer, _) = crate::respond(received("GET", "/readyz", &[]), &host);
        let expected = concat!(
            r#"variable log_level is "loud"; accepted is error, warn, info or debug; "#,
            r#"variable trusted_hops is "-1"; accepted is a whole number from 0 to 16"#
        );
        assert_eq!(answer.detail(503), expected);
        assert_eq!(answer.error.as_deref(), Some(expected));
    }
}
