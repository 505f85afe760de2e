//! A client's socket: it notices when the client takes nothing, and when the client is gone.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, Sleep, sleep};

use super::seats::Activity;
use crate::patience::{LOOK, Patience, Terms};

/// What a client may send without a request, bytes, before it is read slowly: more than it takes to begin a connection, with two heads.
const BURST: u32 = 32 << 10;

/// How slowly, bytes/s: 480 pings. A thousand such clients take a third of a core.
const RATE: u32 = 8 << 10;

/// A TCP connection whose writes end with an error if the client does not take what is sent. It is below TLS, so that it holds for
/// handshakes, too.
pub(super) struct Socket {
    /// What was read to distinguish the protocols, and is to be read again.
    sniffed: Vec<u8>,
    read: OwnedReadHalf,
    write: Arc<OwnedWriteHalf>,
    state: Arc<State>,
    patience: Patience,
    activity: Arc<Activity>,
    throttle: Throttle,
}

/// Reads slowly from a client that sends much of which no request comes: pings, settings, requests that it resets.
#[derive(Default)]
struct Throttle {
    /// Since when its debt decreases.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Throttle {
    /// Ready when the client may send.
    fn poll_open(&mut self, context: &mut Context<'_>, activity: &Activity) -> Poll<()> {
        while activity.debt() > BURST {
            let now = Instant::now();
            let since = *self.since.get_or_insert(now);
            activity.pay((now.duration_since(since).as_secs_f64() * f64::from(RATE)) as u32);
            self.since = Some(now);
            let over = activity.debt().saturating_sub(BURST);
            if over > 0 {
                // At least a read's worth, so that there are few of them.
                let pause = Duration::from_secs_f64(f64::from(over.max(RATE / 4)) / f64::from(RATE));
                self.timer.insert(Box::pin(sleep(pause))).as_mut().poll(context).is_ready();
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
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
    pub(super) fn new(stream: TcpStream, terms: &Terms, activity: Arc<Activity>) -> Self {
        let (read, write) = stream.into_split();
        let (write, state) = (Arc::new(write), Arc::default());
        let patience = Patience::new(terms, activity.behind.clone());
        Self { sniffed: Vec::new(), read, write, state, patience, activity, throttle: Throttle::default() }
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
            let this = &mut *self;
            ready!(this.throttle.poll_open(context, &this.activity));
            let before = into.filled().len();
            ready!(Pin::new(&mut this.read).poll_read(context, into))?;
            if this.activity.is_idle() {
                this.activity.owe(u32::try_from(into.filled().len() - before).unwrap_or(u32::MAX));
            }
            return Poll::Ready(Ok(()));
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

    /// Waits until the client has ended its sending half.
    pub(super) async fn half_closed(&self) {
        // An error means that the executor ends, and the connection with it.
        while !self.stream().ready(Interest::READABLE).await.is_ok_and(|ready| ready.is_read_closed()) {
            // The client has sent a next request, which is not read yet.
            sleep(LOOK).await;
        }
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
