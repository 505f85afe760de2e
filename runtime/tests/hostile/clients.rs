//! Clients that behave badly, in any number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;
use test_support::tls::{Identity, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::frames::{self, frame};

/// The pause of those that do something now and then.
const NOW_AND_THEN: Duration = Duration::from_millis(400);

/// The pause before a client connects again.
const AGAIN: Duration = Duration::from_millis(100);

/// More than any server may keep open for a client that does nothing.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The last number of the next client's address.
static SOURCE: AtomicU8 = AtomicU8::new(0);

/// The pause of a flood.
const FLOOD: Duration = Duration::from_millis(20);

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    TakesNothing,
    Pipelines,
    TakesSlowly,
    SendsSlowly,
    Idle,
    HalfHead,
    Resets,
    Closes,
    Pings,
    Settings,
    RapidResets,
    Continuations,
    EmptyData,
}

/// What it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Http1,
    Http1Tls,
    Http2,
    Http2Tls,
}

impl Wire {
    pub const ALL: [Self; 4] = [Self::Http1, Self::Http1Tls, Self::Http2, Self::Http2Tls];

    pub fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}

/// A server, and how to speak to it.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub wire: Wire,
    identity: Option<Arc<Identity>>,
}

impl Target {
    pub fn new(address: SocketAddr, wire: Wire, identity: Option<Identity>) -> Self {
        Self { address, wire, identity: identity.map(Arc::new) }
    }

    /// The same server by HTTP/1.1.
    pub fn http1(&self) -> Self {
        Self { wire: if self.wire.is_tls() { Wire::Http1Tls } else { Wire::Http1 }, ..self.clone() }
    }

    /// Connects. `linger` is whether the end of the connection is an ordinary one, and not a reset.
    pub async fn connect(&self, linger: bool) -> io::Result<Box<dyn Stream>> {
        let socket = TcpSocket::new_v4()?;
        // One address has too few ports for those that connect again and again.
        let last = SOURCE.fetch_add(1, Ordering::Relaxed) % 250 + 1;
        socket.bind(([127, 0, 1, last], 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        if !linger {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        let protocols = if self.wire.is_http2() { ["h2"] } else { ["http/1.1"] };
        Ok(match &self.identity {
            Some(identity) => Box::new(identity.handshake(stream, &protocols).await?),
            None => Box::new(stream),
        })
    }
}

/// Clients at work, each of which connects again when the server has ended its connection.
pub struct Hostile {
    /// Dropped, it ends them.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    pub fn start(kind: Kind, target: Target, number: usize) -> Self {
        let (end, ended) = oneshot::channel::<()>();
        let clients = async move {
            let mut clients = JoinSet::new();
            for _ in 0..number {
                let target = target.clone();
                clients.spawn(async move {
                    loop {
                        // However the server ends it.
                        let _ = misbehave(kind, &target).await;
                        sleep(AGAIN).await;
                    }
                });
            }
            let _ = ended.await;
        };
        let thread = thread::spawn(|| {
            let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
            executor.expect("an executor").block_on(clients);
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// One connection, until the server ends it.
pub async fn misbehave(kind: Kind, target: &Target) -> io::Result<()> {
    let stream = target.connect(kind != Kind::Resets).await?;
    if target.wire.is_http2() { http2(kind, stream).await } else { http1(kind, stream).await }
}

async fn http1(kind: Kind, mut stream: Box<dyn Stream>) -> io::Result<()> {
    const ECHO: &[u8] = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000\r\n\r\n";
    const DELAY: &[u8] = b"GET /delay/10 HTTP/1.1\r\nHost: test\r\n\r\n";
    const HEALTH: &[u8] = b"GET /.well-known/spin/health HTTP/1.1\r\nHost: test\r\n\r\n";
    match kind {
        Kind::TakesNothing => {
            stream.write_all(ECHO).await?;
            loop {
                stream.write_all(&[b'x'; 16 << 10]).await?;
            }
        }
        Kind::Pipelines => loop {
            stream.write_all(&HEALTH.repeat(100)).await?;
        },
        Kind::TakesSlowly => {
            let (mut read, mut write) = tokio::io::split(stream);
            write.write_all(ECHO).await?;
            let send = async {
                loop {
                    write.write_all(&[b'x'; 16 << 10]).await?;
                }
            };
            let take = async {
                loop {
                    read.read_u8().await?;
                    sleep(NOW_AND_THEN).await;
                }
            };
            tokio::select! { sent = send => sent, taken = take => taken }
        }
        Kind::SendsSlowly => {
            stream.write_all(ECHO).await?;
            loop {
                sleep(NOW_AND_THEN).await;
                stream.write_all(b"x").await?;
            }
        }
        Kind::Idle => rest(stream).await,
        Kind::HalfHead => {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nX-A: ").await?;
            stream.write_all(&[b'a'; 8000]).await?;
            loop {
                sleep(NOW_AND_THEN).await;
                stream.write_all(b"x").await?;
            }
        }
        Kind::Resets | Kind::Closes => {
            stream.write_all(DELAY).await?;
            sleep(AGAIN).await;
            Ok(())
        }
        other => unreachable!("{other:?} is of HTTP/2"),
    }
}

/// Reads until the server ends the connection.
async fn rest(mut stream: Box<dyn Stream>) -> io::Result<()> {
    let _ = timeout(FOR_EVER, tokio::io::copy(&mut stream, &mut tokio::io::sink())).await?;
    Ok(())
}

async fn http2(kind: Kind, mut stream: Box<dyn Stream>) -> io::Result<()> {
    let window = if matches!(kind, Kind::TakesNothing | Kind::TakesSlowly) { 0 } else { 65_535 };
    stream.write_all(&[frames::PREFACE, &frames::settings(window)].concat()).await?;
    let mut client = Http2 { stream, next: 1 };
    match kind {
        Kind::TakesNothing => {
            for _ in 0..20 {
                let stream = client.request(true, "/echo").await?;
                client.send(frames::DATA, 0, stream, &[b'x'; 2000]).await?;
            }
            client.serve(None).await
        }
        Kind::TakesSlowly => {
            let stream = client.request(true, "/echo").await?;
            for _ in 0..4 {
                client.send(frames::DATA, 0, stream, &[b'x'; 10_000]).await?;
            }
            client.serve(Some(frame(frames::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]))).await
        }
        Kind::SendsSlowly => {
            let stream = client.request(true, "/echo").await?;
            client.serve(Some(frame(frames::DATA, 0, stream, b"x"))).await
        }
        Kind::Idle => client.serve(None).await,
        Kind::HalfHead => {
            client.send(frames::HEADERS, frames::END_STREAM, 1, &frames::request(false, "/")).await?;
            rest(client.stream).await
        }
        Kind::Resets | Kind::Closes => {
            client.request(false, "/delay/10").await?;
            sleep(AGAIN).await;
            Ok(())
        }
        Kind::Pings => client.flood(&frame(frames::PING, 0, 0, &[0; 8]).repeat(100)).await,
        Kind::Settings => client.flood(&frames::settings(65_535).repeat(100)).await,
        Kind::RapidResets => loop {
            for _ in 0..20 {
                let stream = client.request(false, "/delay/10").await?;
                client.send(frames::RST_STREAM, 0, stream, &[0, 0, 0, 8]).await?;
            }
            sleep(FLOOD).await;
        },
        Kind::Continuations => {
            client.send(frames::HEADERS, frames::END_STREAM, 1, &frames::request(false, "/")).await?;
            client.flood(&frame(frames::CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']).repeat(100)).await
        }
        Kind::EmptyData => {
            let stream = client.request(true, "/echo").await?;
            client.flood(&frame(frames::DATA, 0, stream, b"").repeat(100)).await
        }
        Kind::Pipelines => unreachable!("it is of HTTP/1.1"),
    }
}

struct Http2 {
    stream: Box<dyn Stream>,
    next: u32,
}

impl Http2 {
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(kind, flags, stream, payload)).await
    }

    /// Begins a request; a POST has a body to follow.
    async fn request(&mut self, post: bool, path: &str) -> io::Result<u32> {
        let stream = self.next;
        self.next += 2;
        let end = if post { 0 } else { frames::END_STREAM };
        self.send(frames::HEADERS, frames::END_HEADERS | end, stream, &frames::request(post, path)).await?;
        Ok(stream)
    }

    /// Responds to pings and settings, as a client that is there; and sends `piece` now and then.
    async fn serve(self, piece: Option<Vec<u8>>) -> io::Result<()> {
        let (mut read, mut write) = tokio::io::split(self.stream);
        let (sender, mut frames) = tokio::sync::mpsc::channel(100);
        let read = async {
            let mut head = [0; 9];
            loop {
                read.read_exact(&mut head).await?;
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                let mut payload = vec![0; length];
                read.read_exact(&mut payload).await?;
                let (kind, flags) = (head[3], head[4]);
                if matches!(kind, frames::PING | frames::SETTINGS) && flags & frames::ACK == 0 {
                    let payload = if kind == frames::PING { &payload[..] } else { &[] };
                    let _ = sender.send(frame(kind, frames::ACK, 0, payload)).await;
                } else if kind == frames::RST_STREAM && piece.is_some() {
                    return Ok(());
                }
            }
        };
        let write = async {
            loop {
                let ready = timeout(NOW_AND_THEN, frames.recv()).await;
                if let Some(bytes) = ready.ok().flatten().or_else(|| piece.clone()) {
                    write.write_all(&bytes).await?;
                }
            }
        };
        tokio::select! { ended = read => ended, ended = write => ended }
    }

    /// Sends `bytes` again and again, and reads what comes.
    async fn flood(self, bytes: &[u8]) -> io::Result<()> {
        let (mut read, mut write) = tokio::io::split(self.stream);
        let take = async { tokio::io::copy(&mut read, &mut tokio::io::sink()).await.map(drop) };
        let send = async {
            loop {
                write.write_all(bytes).await?;
                sleep(FLOOD).await;
            }
        };
        tokio::select! { ended = take => ended, ended = send => ended }
    }
}
