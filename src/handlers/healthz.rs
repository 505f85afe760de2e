//! `/healthz`: liveness.

use http::StatusCode;

use super::{Context, Result};
use crate::response::Outcome;

/// Always 200: the component runs.
pub fn handle(_: &Context) -> Result {
    Ok(Outcome::text(StatusCode::OK, "200 ok"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, get};

    #[test]
    fn is_200_even_with_bad_variables() {
        assert_eq!((get("/healthz").status(), get("/healthz").body()), (200, "200 ok"));
        let host = TestHost::with([("version", ""), ("log", "loud")]);
        assert_eq!(host.get("/healthz").status(), 200);
    }
}
