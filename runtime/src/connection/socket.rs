//! A client's socket: it notices when the client takes nothing, and when the client is gone.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::patience::{Patience, Terms};

/// A TCP connection whose writes end with an error if the client does not take what is sent. It is below TLS, so that it holds for
/// handshakes, too.
pub(super) struct Socket {
    /// What was read to distinguish the protocols, and is to be read again.
    sniffed: Vec<u8>,
    read: OwnedReadHalf,
    write: Arc<OwnedWriteHalf>,
    state: Arc<State>,
    patience: Patience,
}

/// What a [`Watch`] can see of a [`Socket`].
#[derive(Default)]
struct State {
    blocked: AtomicBool,
    written: AtomicUsize,
}

/// Another handle of a [`Socket`], to watch the client while the server works for it and does not read.
pub(super) struct Watch {
    socket: Arc<OwnedWriteHalf>,
    state: Arc<State>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, terms: &Terms, behind: Arc<AtomicU32>) -> Self {
        let (read, write) = stream.into_split();
        let (write, state) = (Arc::new(write), Arc::default());
        Self { sniffed: Vec::new(), read, write, state, patience: Patience::new(terms, behind) }
    }

    pub(super) fn watch(&self) -> Watch {
        Watch { socket: self.write.clone(), state: self.state.clone() }
    }

    /// Reads until `decided`, and leaves what was read to be read again.
    pub(super) async fn sniff(&mut self, decided: impl Fn(&[u8]) -> bool, most: usize) -> io::Result<&[u8]> {
        use tokio::io::AsyncReadExt;
        let mut bytes = Vec::with_capacity(most);
        while !decided(&bytes) {
            let missing = (most - bytes.len()) as u64;
            if (&mut self.read).take(missing).read_buf(&mut bytes).await? == 0 {
                break;
            }
        }
        self.sniffed = bytes;
        Ok(&self.sniffed)
    }

    fn poll_written(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream: &TcpStream = (*self.write).as_ref();
        while let Poll::Ready(ready) = stream.poll_write_ready(context) {
            ready?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(written) => {
                    self.state.written.fetch_add(written, Ordering::Relaxed);
                    if self.state.blocked.load(Ordering::Relaxed) {
                        self.state.blocked.store(false, Ordering::Relaxed);
                        self.patience.progress(written);
                    }
                    return Poll::Ready(Ok(written));
                }
                error => return Poll::Ready(error),
            }
        }
        self.state.blocked.store(true, Ordering::Relaxed);
        ready!(self.patience.poll_over(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing, or takes it too slowly")))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.sniffed.is_empty() {
            return Pin::new(&mut self.read).poll_read(context, into);
        }
        let some = self.sniffed.len().min(into.remaining());
        into.put_slice(&self.sniffed[..some]);
        if some == self.sniffed.len() {
            self.sniffed = Vec::new();
        } else {
            self.sniffed.drain(..some);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_written(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(context, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream: &TcpStream = (*self.write).as_ref();
        match SockRef::from(stream).shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Watch {
    /// Waits until the client has reset the connection. A client that has only ended its sending half may still wait for its response.
    pub(super) async fn reset(&self) {
        // It fails only if the executor ends, and the connection with it.
        let _ = self.stream().ready(Interest::ERROR).await;
    }

    /// Whether the client has ended its sending half.
    pub(super) fn is_half_closed(&self) -> bool {
        let ready = std::pin::pin!(self.stream().ready(Interest::READABLE));
        let ready = ready.poll(&mut Context::from_waker(std::task::Waker::noop()));
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Whether the client does not take what was sent.
    pub(super) fn is_blocked(&self) -> bool {
        self.state.blocked.load(Ordering::Relaxed)
    }

    /// How many bytes the kernel has taken for the client.
    pub(super) fn written(&self) -> usize {
        self.state.written.load(Ordering::Relaxed)
    }

    fn stream(&self) -> &TcpStream {
        (*self.socket).as_ref()
    }
}
