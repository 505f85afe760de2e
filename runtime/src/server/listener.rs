//! The socket that all threads of a server accept connections from.
//!
//! A connection goes to the first thread that has time for it: a busy one looks at the socket only between its turns. With a socket for
//! each thread (`SO_REUSEPORT`) the kernel would choose the thread by the client's port: also one that is stuck, or busy for seconds,
//! while others have nothing to do. And another process of the same user could take a part of the connections.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::address;
use crate::connection::{Seat, Seats};
use crate::log;
use crate::options::Listen;

/// Connections that wait to be accepted: what the kernel allows by default (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// The pause after a failed accept, for example when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the kernel takes of a response that it cannot send yet, bytes: without a limit it takes up to 4 MiB for a client that does not
/// read, and counts them as the pod's memory. The next write follows when half of it was sent: 16 KiB are the least progress that is
/// seen, as with HTTP/2.
const UNSENT: libc::c_int = 32 << 10;

/// One thread's handle of the socket.
pub(super) struct Listener {
    socket: TcpListener,
    /// Whether another process has this socket, too. The connections that wait in it are then not only ours.
    inherited: bool,
}

/// Opens a socket, and a handle of it for each of `threads`. Gives also the address, with the port that the kernel chose for port 0.
///
/// # Errors
/// The address cannot be used.
pub(super) fn open(listen: &Listen, threads: usize, patience: Duration) -> Result<(SocketAddr, Vec<Listener>)> {
    let (socket, inherited) = match listen {
        Listen::Address(address) => (bind(*address).map_err(|error| cannot_listen(*address, &error))?, false),
        Listen::Inherited(socket) => (socket.try_clone().context("cannot use the inherited socket")?, true),
    };
    let address = socket.local_addr().context("the socket has no address")?;
    prepare(&socket, patience).with_context(|| format!("cannot prepare the socket of {address}"))?;
    let handle = |_| Ok(Listener { socket: socket.try_clone()?, inherited });
    let listeners = (0..threads).map(handle).collect::<io::Result<_>>();
    Ok((address, listeners.context("cannot share the socket among the threads")?))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!(
                "cannot listen on {address}: another server has that address; stop it, or choose another with `--listen` or SPIN_HTTP_LISTEN_ADDR, port 0 for a free one"
            )
        }
        _ => anyhow!(
            "cannot listen on {address}: {error}; choose another address with `--listen` or SPIN_HTTP_LISTEN_ADDR"
        ),
    }
}

/// Sets the options of a listener that its connections inherit.
fn prepare(socket: &TcpListener, patience: Duration) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let options = SockRef::from(socket);
    // The head and the body of a streamed response are two segments; the second must not wait for the first's acknowledgement.
    options.set_tcp_nodelay(true)?;
    // The kernel ends a connection whose client takes nothing, also after the process has closed it.
    options.set_tcp_user_timeout(Some(patience))?;
    let unsent = UNSENT;
    // SAFETY: the kernel reads one int, which lives until it returns.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const unsent).cast(),
            size_of_val(&unsent) as libc::socklen_t,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let (_, socket) = address::bind(address, false)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Listener {
    /// Hands each new connection to `serve`, with a seat of `seats`, until the drain begins. `not_accepted` hears of those that fail.
    ///
    /// # Errors
    /// The executor does not take the socket.
    pub(super) async fn accept(
        self,
        seats: &Seats,
        serve: impl Fn(TcpStream, SocketAddr, Arc<Seat>),
        not_accepted: impl Fn(),
    ) -> io::Result<()> {
        let socket = tokio::net::TcpListener::from_std(self.socket)?;
        loop {
            let accepted = tokio::select! {
                biased;
                () = seats.draining().cancelled() => break,
                accepted = async {
                    let free = seats.free().await;
                    socket.accept().await.map(|accepted| (accepted, free))
                } => accepted,
            };
            match accepted {
                Ok(((stream, peer), free)) => serve(stream, peer, seats.take(Some(free))),
                Err(error) => {
                    log::accept_failed(&error);
                    not_accepted();
                    // If no file is left, this gives one back.
                    seats.ask();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // What waits in an inherited socket is for the server that has it next.
        if !self.inherited {
            accept_backlog(&socket.into_std()?, |stream, peer| serve(stream, peer, seats.take(None)));
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
    // Nobody can connect any more, also if another thread is stuck and still has the socket. It fails if another one was first.
    let _ = SockRef::from(socket).shutdown(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::{self, Ipv4Addr, Ipv6Addr};

    use tokio_util::sync::CancellationToken;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(7);

    #[test]
    fn a_connection_has_the_options_of_its_listener() {
        let (address, listeners) = open(&Listen::Address(([127, 0, 0, 1], 0).into()), 1, PATIENCE).unwrap();
        listeners[0].socket.set_nonblocking(false).unwrap();
        let _client = net::TcpStream::connect(address).unwrap();
        let (accepted, _) = listeners[0].socket.accept().unwrap();
        let options = SockRef::from(&accepted);
        assert!(options.tcp_nodelay().unwrap());
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(PATIENCE));
        let (mut unsent, mut size) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: the kernel writes one int, for which there is room.
        let got = unsafe {
            libc::getsockopt(
                accepted.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_NOTSENT_LOWAT,
                (&raw mut unsent).cast(),
                &raw mut size,
            )
        };
        assert_eq!((got, unsent), (0, UNSENT));
    }

    #[test]
    fn no_other_process_gets_a_part_of_the_connections() {
        let (address, _listeners) = open(&Listen::Address(([127, 0, 0, 1], 0).into()), 2, PATIENCE).unwrap();
        assert_eq!(address::bind(address, true).unwrap_err().kind(), ErrorKind::AddrInUse);
    }

    /// How many connections that wait when the drain begins are served, and how many are left in the socket.
    async fn served_and_left(listen: Listen, other: Option<TcpListener>) -> (u32, usize) {
        let (address, mut listeners) = open(&listen, 1, PATIENCE).unwrap();
        let _clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let draining = CancellationToken::new();
        draining.cancel();
        let served = Cell::new(0);
        let listener = listeners.pop().unwrap();
        let seats = Seats::new(10, draining);
        listener.accept(&seats, |_, _, _| served.set(served.get() + 1), || ()).await.unwrap();
        (served.get(), other.map_or(0, |other| std::iter::from_fn(|| other.accept().ok()).count()))
    }

    #[test]
    fn the_address_for_everybody_is_for_both_families() {
        let (address, _listeners) = open(&Listen::Address((Ipv6Addr::UNSPECIFIED, 0).into()), 1, PATIENCE).unwrap();
        for client in [Ipv6Addr::LOCALHOST.into(), net::IpAddr::from(Ipv4Addr::LOCALHOST)] {
            net::TcpStream::connect((client, address.port())).unwrap();
        }
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
