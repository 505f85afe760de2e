//! Sockets that listen.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// A socket that is bound to `address`, and that address with the port that the kernel chose for port 0. If it is `shared`, other
/// sockets of this user that are shared, too, may have the same address.
///
/// # Errors
/// The address cannot be used.
pub(crate) fn bind(address: SocketAddr, shared: bool) -> io::Result<(SocketAddr, Socket)> {
    let (address, socket) = match socket(address) {
        Err(error) => without_ipv6(address, &error).ok_or(error).and_then(|other| Ok((other, self::socket(other)?)))?,
        Ok(socket) => (address, socket),
    };
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    let address = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((address, socket))
}

/// The address that stands in for `[::]` on a kernel without IPv6 (`ipv6.disable=1`).
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let instead = address.ip() == Ipv6Addr::UNSPECIFIED && Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT);
    instead.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` is for IPv4, too, whatever the system's default is (`net.ipv6.bindv6only`).
        socket.set_only_v6(false)?;
    }
    // A server can start again while connections of its predecessor are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_ipv6_the_address_for_everybody_is_that_of_ipv4() {
        let other = |address: &str, error: Errno| without_ipv6(address.parse().unwrap(), &error.into());
        assert_eq!(other("[::]:80", Errno::AFNOSUPPORT), Some("0.0.0.0:80".parse().unwrap()));
        assert_eq!(other("[::]:80", Errno::ADDRINUSE), None);
        assert_eq!(other("[::1]:80", Errno::AFNOSUPPORT), None);
    }
}
