//! Input: a byte for the number of trusted proxies, then the values of `x-forwarded-for`, a line each. `/ip` shows the address that
//! the outermost trusted proxy saw, or the peer.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../request.rs"]
mod request;

use std::net::{IpAddr, SocketAddr};

use request::{Variables, get, text};

target!(check);

const PEER: &str = "10.0.0.9:4711";

fn check(input: &[u8]) {
    let Some((hops, lines)) = input.split_first() else { return };
    let hops = usize::from(hops % 17);
    let lines: Vec<_> = lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let mut headers: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For".to_owned(), line.clone())).collect();
    headers.push(("spin-client-addr".to_owned(), PEER.into()));
    let (outcome, _) = get("/ip", headers, &Variables(&[("trusted_hops", &hops.to_string())]));
    if outcome.response.status() != 200 {
        assert_eq!(outcome.response.status(), 400);
        return;
    }
    let shown: serde_json::Value = serde_json::from_str(text(&outcome)).expect("it is JSON");
    assert_eq!(shown["peer"], PEER);
    let client: IpAddr = shown["client"].as_str().expect("the peer is known").parse().expect("it is an address");
    assert_eq!(client, expected(&lines, hops).unwrap_or_else(|| PEER.parse::<SocketAddr>().expect("valid").ip()));
}

/// The same, over one list of all entries.
fn expected(lines: &[Vec<u8>], hops: usize) -> Option<IpAddr> {
    let list: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    let list = list.join(",");
    let entries: Vec<_> =
        list.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|entry| !entry.is_empty()).collect();
    let entry = entries.get(entries.len().checked_sub(hops).filter(|_| hops > 0)?)?;
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let bare = bare.split('%').next()?;
    let ip = entry.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| bare.parse()).ok()?;
    // The text is shown as it is, and the last part of it only if that is an address of IPv4.
    Some(if entry.contains('.') { ip.to_canonical() } else { ip })
}
