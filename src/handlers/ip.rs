//! `/ip`: where the request comes from, as in the access log.

use super::{Context, Result};
use crate::headers::client_ip;
use crate::json::Object;
use crate::response::Outcome;

/// The address of the client and of the peer, `null` if unknown.
pub fn handle(context: &Context) -> Result {
    let headers = context.request.headers();
    let client = client_ip::client(headers, context.host);
    let peer = client_ip::peer(headers);
    Ok(Outcome::json(Object::default().nullable("client", client).nullable("peer", peer).finish()))
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, get, send};

    const HEADERS: [(&str, &str); 3] = [
        ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
        ("spin-client-addr", "6.6.6.6:6"),
        ("spin-client-addr", "10.0.0.9:1"),
    ];

    #[test]
    fn shows_client_and_peer() {
        assert_eq!(send("GET", "/ip", &HEADERS).body(), r#"{"client":"1.2.3.4","peer":"10.0.0.9:1"}"#);
        assert_eq!(get("/ip").body(), r#"{"client":null,"peer":null}"#);
    }

    #[test]
    fn trusts_the_configured_number_of_proxies() {
        for (hops, client) in
            [("0", "10.0.0.9"), ("1", "1.2.3.4"), ("2", "6.6.6.6"), ("3", "10.0.0.9"), ("x", "1.2.3.4")]
        {
            let response = TestHost::with([("trusted_hops", hops)]).send("GET", "/ip", &HEADERS);
            assert_eq!(response.body(), format!(r#"{{"client":"{client}","peer":"10.0.0.9:1"}}"#), "{hops} hops");
        }
    }
}
