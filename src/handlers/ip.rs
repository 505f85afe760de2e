//! `/ip`: where the request comes from, as the access log sees it.

use crate::headers::client_ip;
use crate::json::Object;
use crate::problem::Problem;
use crate::response::Answer;
use crate::router::Context;

/// Answers with the client's address and the peer's, `null` where unknown.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let headers = context.request.headers();
    let client = client_ip::client(headers, context.host);
    let peer = client_ip::peer(headers);
    Ok(Answer::json(Object::default().nullable("client", client).nullable("peer", peer).finish()))
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, answer, get, received};

    const FIELDS: [(&str, &str); 3] = [
        ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
        ("spin-client-addr", "6.6.6.6:6"),
        ("spin-client-addr", "10.0.0.9:1"),
    ];

    #[test]
    fn tells_client_and_peer() {
        assert_eq!(answer("GET", "/ip", &FIELDS).body(), r#"{"client":"1.2.3.4","peer":"10.0.0.9:1"}"#);
        assert_eq!(get("/ip").body(), r#"{"client":null,"peer":null}"#);
    }

    #[test]
    fn believes_as_many_proxies_as_configured() {
        for (hops, client) in
            [("0", "10.0.0.9"), ("1", "1.2.3.4"), ("2", "6.6.6.6"), ("3", "10.0.0.9"), ("x", "1.2.3.4")]
        {
            let (answer, _) =
                crate::respond(received("GET", "/ip", &FIELDS), &TestHost::with(&[("trusted_hops", hops)]));
            assert_eq!(answer.body(), format!(r#"{{"client":"{client}","peer":"10.0.0.9:1"}}"#), "{hops} hops");
        }
    }
}
