//! The listeners of a server: one for each of its threads.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::log;
use crate::options::Listen;

/// Connections that wait to be accepted, for each thread.
const BACKLOG: i32 = 1024;

/// The pause after a failed accept, for example when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one thread accepts connections from.
pub(super) struct Listener {
    socket: TcpListener,
    /// Whether another process has this socket, too. The connections that wait in it are then not only ours.
    inherited: bool,
}

/// Opens a listener for each of `threads`. Gives also the address, with the port that the kernel chose for port 0.
///
/// # Errors
/// The address cannot be used.
pub(super) fn open(listen: &Listen, threads: usize) -> Result<(SocketAddr, Vec<Listener>)> {
    match listen {
        Listen::Address(address) => bind(*address, threads).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => {
                anyhow!("cannot listen on {address}: another server has that address; stop it, or choose another with `--listen` or SPIN_HTTP_LISTEN_ADDR, port 0 for a free one")
            }
            _ => anyhow!("cannot listen on {address}: {error}; choose another address with `--listen` or SPIN_HTTP_LISTEN_ADDR"),
        }),
        Listen::Inherited(socket) => share(socket, threads).context("cannot use the inherited socket"),
    }
}

/// One socket for each thread, all on the same address: the kernel distributes new connections among them.
fn bind(address: SocketAddr, threads: usize) -> io::Result<(SocketAddr, Vec<Listener>)> {
    // With SO_REUSEPORT a second server of the same user would get the same port, and no error. A socket without it gets the error.
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    let address = probe.local_addr()?.as_socket().unwrap_or(address);
    let listeners = (0..threads).map(|_| {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Listener { socket: socket.into(), inherited: false })
    });
    Ok((address, listeners.collect::<io::Result<_>>()?))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server can start again while connections of its predecessor are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// The same socket for each thread.
fn share(socket: &TcpListener, threads: usize) -> io::Result<(SocketAddr, Vec<Listener>)> {
    socket.set_nonblocking(true)?;
    let listeners = (0..threads).map(|_| Ok(Listener { socket: socket.try_clone()?, inherited: true }));
    Ok((socket.local_addr()?, listeners.collect::<io::Result<_>>()?))
}

impl Listener {
    /// Hands each new connection to `serve`, until `draining` is cancelled.
    ///
    /// # Errors
    /// The executor does not take the socket.
    pub(super) async fn accept(
        self,
        draining: &CancellationToken,
        serve: impl Fn(TcpStream, SocketAddr),
    ) -> io::Result<()> {
        let socket = tokio::net::TcpListener::from_std(self.socket)?;
        loop {
            let accepted = tokio::select! {
                biased;
                () = draining.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => serve(stream, peer),
                Err(error) => {
                    log::accept_failed(&error);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // What waits in an inherited socket is for the server that has it next.
        if !self.inherited {
            accept_backlog(&socket.into_std()?, serve);
        }
        Ok(())
    }
}

/// Accepts the connections that the kernel has completed already: closing the listener would reset them.
fn accept_backlog(socket: &TcpListener, serve: impl Fn(TcpStream, SocketAddr)) {
    while let Ok((stream, peer)) = socket.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            serve(stream, peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net;

    use super::*;

    /// How many connections that wait when the drain begins are served, and how many are left in the socket.
    async fn served_and_left(listen: Listen, other: Option<TcpListener>) -> (u32, usize) {
        let (address, mut listeners) = open(&listen, 1).unwrap();
        let _clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let draining = CancellationToken::new();
        draining.cancel();
        let served = Cell::new(0);
        let listener = listeners.pop().unwrap();
        listener.accept(&draining, |_, _| served.set(served.get() + 1)).await.unwrap();
        (served.get(), other.map_or(0, |other| std::iter::from_fn(|| other.accept().ok()).count()))
    }

    #[tokio::test]
    async fn a_drain_accepts_what_waits_in_a_socket_of_its_own() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(served_and_left(Listen::Address(address), None).await, (3, 0));
    }

    #[tokio::test]
    async fn a_drain_leaves_what_waits_in_an_inherited_socket() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = socket.try_clone().unwrap();
        assert_eq!(served_and_left(Listen::Inherited(socket), Some(other)).await, (0, 3));
    }
}
