//! Who sent the request: the peer of the connection, and the client behind the proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config;
use crate::host::Host;

/// The host sets it. A client may send it too, but the host's value is the last one.
const PEER: HeaderName = HeaderName::from_static("spin-client-addr");

/// Each proxy appends the address from which it got the request.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection, `IP:PORT`. `None` if the host does not send it.
pub fn peer(headers: &HeaderMap) -> Option<&str> {
    let peer = text(headers.get_all(PEER).iter().next_back()?);
    peer.parse::<SocketAddr>().is_ok().then_some(peer)
}

/// The address of the client. With `trusted_hops` proxies in front, it is the one that the outermost of them saw. Entries of
/// `x-forwarded-for` further to the left come from the client and may be forged. Without such an entry it is the peer.
pub fn client<'a>(headers: &'a HeaderMap, host: &dyn Host) -> Option<&'a str> {
    forwarded(headers, host).or_else(|| address(peer(headers)?))
}

fn forwarded<'a>(headers: &'a HeaderMap, host: &dyn Host) -> Option<&'a str> {
    headers.contains_key(FORWARDED_FOR).then_some(())?;
    let hop = config::TRUSTED_HOPS.read(host).checked_sub(1)?;
    // Empty entries of a list do not count (RFC 9110 §5.6.1.2).
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut entries =
        lines.flat_map(|line| text(line).rsplit(',')).map(str::trim_ascii).filter(|entry| !entry.is_empty());
    address(entries.nth(hop)?)
}

/// The address in `IP`, `[IPv6]`, or either with `:PORT`. A socket for both families shows an IPv4 address as `::ffff:1.2.3.4`:
/// that is `1.2.3.4`.
fn address(entry: &str) -> Option<&str> {
    let ip = match entry.parse::<SocketAddr>() {
        Ok(_) => entry.rsplit_once(':')?.0,
        Err(_) => entry,
    };
    let ip = ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(ip);
    // An address of one link has a zone (RFC 4007 §11), which says nothing elsewhere.
    let ip = ip.split_once('%').map_or(ip, |(ip, _)| ip);
    match ip.parse::<IpAddr>().ok()? {
        IpAddr::V6(mapped) if mapped.to_ipv4_mapped().is_some() && ip.contains('.') => Some(ip.rsplit_once(':')?.1),
        _ => Some(ip),
    }
}

fn text(value: &HeaderValue) -> &str {
    str::from_utf8(value.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, header_map};

    /// Trusted hops, values of `x-forwarded-for`, client.
    type Case = (&'static str, &'static [&'static str], &'static str);

    const PEER_IP: &str = "10.0.0.9";

    const CASES: &[Case] = &[
        ("1", &[], PEER_IP),
        ("1", &["1.1.1.1"], "1.1.1.1"),
        ("1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        ("2", &["6.6.6.6, 1.1.1.1, 2.2.2.2"], "1.1.1.1"),
        ("3", &["1.1.1.1,2.2.2.2 ,\t3.3.3.3"], "1.1.1.1"),
        ("16", &["1.1.1.1"], PEER_IP),
        ("0", &["1.1.1.1"], PEER_IP),
        // Several headers are one list, in their order.
        ("1", &["1.1.1.1", "2.2.2.2"], "2.2.2.2"),
        ("2", &["1.1.1.1", "2.2.2.2"], "1.1.1.1"),
        ("3", &["1.1.1.1, 2.2.2.2", "3.3.3.3, 4.4.4.4"], "2.2.2.2"),
        // Several forms of an address.
        ("1", &["  1.1.1.1:80  "], "1.1.1.1"),
        ("1", &["2001:DB8::1"], "2001:DB8::1"),
        ("1", &["[2001:db8::1]"], "2001:db8::1"),
        ("1", &["[2001:db8::1]:443"], "2001:db8::1"),
        // IPv4 in IPv6, only if it is mapped and written with dots.
        ("1", &["::ffff:1.2.3.4"], "1.2.3.4"),
        ("1", &["[::FFFF:1.2.3.4]:80"], "1.2.3.4"),
        ("1", &["0:0:0:0:0:ffff:1.2.3.4"], "1.2.3.4"),
        ("1", &["::ffff:102:304"], "::ffff:102:304"),
        ("1", &["64:ff9b::1.2.3.4"], "64:ff9b::1.2.3.4"),
        ("1", &["::1.2.3.4"], "::1.2.3.4"),
        ("1", &["[fe80::1%2]:80"], "fe80::1"),
        ("1", &["fe80::1%eth0"], "fe80::1"),
        // Empty entries do not count.
        ("1", &["1.1.1.1, "], "1.1.1.1"),
        ("2", &["1.1.1.1, ,", "2.2.2.2"], "1.1.1.1"),
        // Not an address. The entry to its left may be forged, so it is not used.
        ("1", &[""], PEER_IP),
        ("1", &["1.1.1.1, unknown"], PEER_IP),
        ("1", &["1.1.1.1, _hidden"], PEER_IP),
        ("1", &["1.1.1.256"], PEER_IP),
        ("1", &["1.1.1.1:port"], PEER_IP),
        ("1", &["[1.1.1.1"], PEER_IP),
        ("1", &["é"], PEER_IP),
        ("1", &["\"1.1.1.1\""], PEER_IP),
    ];

    #[test]
    fn the_client_is_the_nth_forwarded_address_from_the_right_or_the_peer() {
        for &(hops, lines, expected) in CASES {
            let mut fields = vec![("spin-client-addr", "10.0.0.9:4711")];
            fields.extend(lines.iter().map(|line| ("x-forwarded-for", *line)));
            let headers = header_map(&fields);
            let host = TestHost::with([("trusted_hops", hops)]);
            assert_eq!(client(&headers, &host), Some(expected), "{hops} hops, {lines:?}");
        }
    }

    #[test]
    fn the_peer_is_the_last_address_which_the_host_sent() {
        let forged = header_map(&[("spin-client-addr", "6.6.6.6:1"), ("spin-client-addr", "[::1]:4711")]);
        assert_eq!((peer(&forged), client(&forged, &TestHost::default())), (Some("[::1]:4711"), Some("::1")));
        let mapped = header_map(&[("spin-client-addr", "[::ffff:1.2.3.4]:80")]);
        assert_eq!(client(&mapped, &TestHost::default()), Some("1.2.3.4"));
    }

    #[test]
    fn the_client_is_unknown_without_any_address() {
        assert_eq!(client(&header_map(&[]), &TestHost::default()), None);
        assert_eq!(peer(&header_map(&[("spin-client-addr", "nobody")])), None);
    }

    #[test]
    fn trusted_hops_is_not_read_without_forwarded_addresses() {
        let host = TestHost::default();
        client(&header_map(&[("spin-client-addr", "10.0.0.9:4711")]), &host);
        assert_eq!(*host.reads.borrow(), [""; 0]);
    }
}
