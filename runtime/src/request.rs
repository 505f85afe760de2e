//! From the request on the wire to the request as a Spin component sees it.

use std::net::SocketAddr;
use std::str::FromStr;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::manifest::ROUTE;

const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");

/// Why a request does not reach the guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// It violates RFC 9110 or 9112; the text says how, and what was expected.
    Malformed(String),
    /// A header value is not UTF-8. Spin responds with an empty 500.
    NotUtf8,
}

/// Checks the request, and changes its headers as Spin does.
///
/// # Errors
/// A [`Rejection`].
pub(crate) fn prepare(request: &mut Parts, https: bool, peer: SocketAddr) -> Result<(), Rejection> {
    if request.method == Method::CONNECT {
        return Err(malformed("CONNECT is for proxies, and this server is not one"));
    }
    let authority = authority(request)?;
    if request.headers.values().any(|value| std::str::from_utf8(value.as_bytes()).is_err()) {
        return Err(Rejection::NotUtf8);
    }
    remove_connection_fields(&mut request.headers);
    append_spin_fields(request, if https { "https" } else { "http" }, &authority, peer)
}

/// The authority of the request: exactly one Host (RFC 9112 §3.2), or `:authority`. An authority in the target must be the same.
fn authority(request: &Parts) -> Result<String, Rejection> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(malformed("more than one Host: expected exactly one (RFC 9112 §3.2)"));
    }
    let host = host.map(|host| {
        host.to_str()
            .ok()
            .filter(|text| is_host(text))
            .ok_or_else(|| invalid_host(&String::from_utf8_lossy(host.as_bytes())))
    });
    let host = host.transpose()?;
    match (request.uri.authority(), host) {
        (None, None) => Err(malformed("no Host: expected exactly one (RFC 9112 §3.2)")),
        (None, Some(host)) => Ok(host.to_owned()),
        (Some(target), None) if request.version == Version::HTTP_2 && is_host(target.as_str()) => {
            Ok(target.to_string())
        }
        (Some(target), None) if request.version == Version::HTTP_2 => Err(invalid_host(target.as_str())),
        (Some(_), None) => Err(malformed("no Host: expected exactly one (RFC 9112 §3.2)")),
        (Some(target), Some(host)) if target.as_str().eq_ignore_ascii_case(host) => Ok(host.to_owned()),
        (Some(target), Some(host)) => Err(Rejection::Malformed(format!(
            "invalid authority \"{target}\" of the target: expected that of Host, {host}"
        ))),
    }
}

fn malformed(detail: &str) -> Rejection {
    Rejection::Malformed(detail.to_owned())
}

fn invalid_host(host: &str) -> Rejection {
    Rejection::Malformed(format!(
        "invalid Host \"{host}\": expected a hostname or an IP address, such as example.com:8080"
    ))
}

/// An authority (RFC 3986 §3.2) without `user@`, which a Host may not have (RFC 9110 §7.2).
fn is_host(host: &str) -> bool {
    let Ok(authority) = Authority::from_str(host) else { return false };
    let port = &host[authority.host().len()..];
    let digits = port.strip_prefix(':').unwrap_or(port);
    // The parser accepts any text as a port.
    !host.contains('@') && !authority.host().is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Fields that are for the end of the way, whatever `connection` says: a request without them would be another one (RFC 9110 §7.6.1).
const END_TO_END: [HeaderName; 3] = [HOST, CONTENT_LENGTH, CONTENT_TYPE];

/// Removes the fields that `connection` names: they are for this hop (RFC 9110 §7.6.1). wasmtime removes `connection` itself.
fn remove_connection_fields(headers: &mut HeaderMap) {
    let values: Vec<_> = headers.get_all(CONNECTION).iter().cloned().collect();
    for value in &values {
        for name in value.to_str().unwrap_or_default().split(',') {
            let name = name.trim();
            if !END_TO_END.iter().any(|kept| name.eq_ignore_ascii_case(kept.as_str())) {
                headers.remove(name);
            }
        }
    }
}

/// Appends Spin's fields: a field of the same name that the client sent stays before ours.
fn append_spin_fields(request: &mut Parts, scheme: &str, authority: &str, peer: SocketAddr) -> Result<(), Rejection> {
    let path = request.uri.path();
    // `OPTIONS *` has no path; Spin gives it one.
    let slash = if path.starts_with('/') { "" } else { "/" };
    let target = request.uri.path_and_query().map_or(path, |target| target.as_str());
    // A socket for both families has `::ffff:1.2.3.4` for a client of IPv4.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let fields = [
        (PATH_INFO, value(format!("{slash}{path}"))?),
        (FULL_URL, value(format!("{scheme}://{authority}{slash}{target}"))?),
        (MATCHED_ROUTE, HeaderValue::from_static(ROUTE)),
        (BASE_PATH, HeaderValue::from_static("/")),
        (RAW_COMPONENT_ROUTE, HeaderValue::from_static(ROUTE)),
        (COMPONENT_ROUTE, HeaderValue::from_static("")),
        (CLIENT_ADDR, value(peer.to_string())?),
    ];
    for (name, value) in fields {
        request.headers.append(name, value);
    }
    Ok(())
}

fn value(text: String) -> Result<HeaderValue, Rejection> {
    HeaderValue::try_from(&text)
        .map_err(|_| Rejection::Malformed(format!("invalid target {text:?}: expected one that a header may contain")))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn prepared(request: http::request::Builder) -> Result<Parts, Rejection> {
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        prepare(&mut parts, false, "[::1]:5".parse().unwrap()).map(|()| parts)
    }

    #[test]
    fn spin_fields_come_after_the_ones_that_a_client_sent() {
        let parts = prepared(
            Request::get("/a%20b/c?x=1").header("host", "localhost:3006").header("spin-client-addr", "6.6.6.6:1"),
        )
        .unwrap();
        let values = |name| parts.headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(values("spin-path-info"), ["/a%20b/c"]);
        assert_eq!(values("spin-full-url"), ["http://localhost:3006/a%20b/c?x=1"]);
        assert_eq!(values("spin-client-addr"), ["6.6.6.6:1", "[::1]:5"]);
    }

    #[test]
    fn a_client_of_ipv4_has_an_address_of_ipv4() {
        let (mut parts, ()) = Request::get("/").header("host", "a").body(()).unwrap().into_parts();
        prepare(&mut parts, false, "[::ffff:1.2.3.4]:5".parse().unwrap()).unwrap();
        assert_eq!(parts.headers["spin-client-addr"], "1.2.3.4:5");
    }

    #[test]
    fn the_asterisk_form_gets_a_path() {
        let parts = prepared(Request::options("*").header("host", "a")).unwrap();
        assert_eq!(parts.headers["spin-path-info"], "/*");
    }

    #[test]
    fn fields_named_by_connection_are_removed() {
        let parts = prepared(
            Request::get("/").header("host", "a").header("connection", "close, X-Secret, Host").header("x-secret", "1"),
        )
        .unwrap();
        assert!(!parts.headers.contains_key("x-secret"));
        assert_eq!(parts.headers["host"], "a", "without it there is no authority");
    }

    #[test]
    fn bad_hosts_are_rejected() {
        for request in [
            Request::get("/"),
            Request::get("/").header("host", "a").header("host", "a"),
            Request::get("/").header("host", ""),
            Request::get("/").header("host", "a b"),
            Request::get("/").header("host", "user@a"),
            Request::get("/").header("host", "a:b"),
            Request::get("http://b/").header("host", "a"),
            Request::get("http://b/"),
            Request::connect("a:80").header("host", "a:80"),
            Request::get("http://user@a/").version(Version::HTTP_2),
            Request::get("http://a:b/").version(Version::HTTP_2),
        ] {
            assert!(matches!(prepared(request), Err(Rejection::Malformed(_))));
        }
        assert!(prepared(Request::get("http://A:1/").header("host", "a:1")).is_ok());
        assert!(prepared(Request::get("http://a/").version(Version::HTTP_2)).is_ok());
        assert_eq!(
            prepared(Request::get("/").header("host", "a").header("x", HeaderValue::from_bytes(b"\xff").unwrap()))
                .err(),
            Some(Rejection::NotUtf8)
        );
    }
}
