//! `/readyz`: readiness. It shows a bad configuration.

use http::StatusCode;

use super::{Context, Result};
use crate::config;
use crate::problem::Problem;
use crate::response::Outcome;

/// 200, or 503 with every bad variable.
pub fn handle(context: &Context) -> Result {
    let errors = config::errors(context.host);
    if errors.is_empty() {
        Ok(Outcome::text(StatusCode::OK, "200 ok"))
    } else {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, errors.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, get};

    #[test]
    fn is_200_with_good_variables() {
        assert_eq!((get("/readyz").status(), get("/readyz").body()), (200, "200 ok"));
    }

    #[test]
    fn names_every_bad_variable_in_the_response_and_in_the_log() {
        let host = TestHost::with([("trusted_hops", "-1"), ("log", "loud")]);
        let response = host.get("/readyz");
        let expected = concat!(
            r#"invalid variable log "loud": expected json or text, alone or with :error, :warn, :info or :debug, such as json:warn; "#,
            r#"invalid variable trusted_hops "-1": expected a whole number from 0 to 16, such as 1"#
        );
        assert_eq!(response.detail(503), expected);
        assert_eq!(response.error.as_deref(), Some(expected));
    }
}
