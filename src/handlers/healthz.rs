//! `/healthz`: liveness.

use crate::problem::Problem;
use crate::response::Answer;
use crate::router::Context;
use http::StatusCode;

/// Answers 200 whenever the component runs at all.
pub fn handle(_: &Context) -> Result<Answer, Problem> {
    Ok(Answer::text(StatusCode::OK, "200 ok"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, get, received};

    #[test]
    fn answers_200_even_with_bad_variables() {
        assert_eq!((get("/healthz").status(), get("/healthz").body()), (200, "200 ok"));
        let host = TestHost::with(&[("version", ""), ("log_level", "loud")]);
        assert_eq!(crate::respond(received("GET", "/healthz", &[]), &host).0.status(), 200);
    }
}
