//! Standard output and standard error of a guest. Its lines stay whole, however it writes them, and it never waits for their reader.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use rustix::io::Errno;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::log::{self, Stream};

/// What a guest may write at once, bytes: as much as other streams of wasmtime take.
const PERMIT: usize = 64 << 10;

/// The longest line that stays whole, bytes. containerd cuts longer ones, too (`max_container_log_line_size`).
const LONGEST: usize = 16 << 10;

/// One of the two streams of one guest.
pub(super) struct Output {
    stream: Stream,
    /// Made when the guest writes: many guests do not.
    lines: OnceLock<Arc<Mutex<Lines>>>,
}

impl Output {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, lines: OnceLock::new() }
    }

    /// All handles of a guest have the same unfinished line.
    fn handle(&self) -> Handle {
        let lines =
            self.lines.get_or_init(|| Arc::new(Mutex::new(Lines { stream: self.stream, unfinished: Vec::new() })));
        Handle(lines.clone())
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        match self.stream {
            Stream::Stdout => io::stdout().is_terminal(),
            Stream::Stderr => io::stderr().is_terminal(),
        }
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.handle())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.handle())
    }
}

/// The lines of a guest on one stream.
struct Lines {
    stream: Stream,
    /// The beginning of a line that has no end yet.
    unfinished: Vec<u8>,
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let (whole, rest) = bytes.split_at(whole);
        let mut written = Ok(());
        if self.unfinished.is_empty() && !whole.is_empty() {
            written = log::push(self.stream, whole);
        } else if !whole.is_empty() {
            self.unfinished.extend(whole);
            written = self.push();
        }
        self.unfinished.extend(rest);
        if self.unfinished.len() > LONGEST {
            written = written.and(self.push());
        }
        written
    }

    fn push(&mut self) -> io::Result<()> {
        let pushed = log::push(self.stream, &self.unfinished);
        self.unfinished.clear();
        pushed
    }
}

impl Drop for Lines {
    /// The guest has ended, so nobody else will end its last line; the next line of the log is another guest's.
    fn drop(&mut self) {
        if !self.unfinished.is_empty() {
            self.unfinished.push(b'\n');
            // There is no guest to report it to.
            let _ = self.push();
        }
    }
}

/// The guest's access to a stream. A guest may have several.
struct Handle(Arc<Mutex<Lines>>);

impl Handle {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }
}

impl OutputStream for Handle {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        Handle::write(self, &bytes).map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
            // The error that wasmtime gives, too: a guest can tell that there is no reader.
            Some(Errno::PIPE) => StreamError::Closed,
            _ => StreamError::LastOperationFailed(error.into()),
        })
    }

    /// A line that the guest has not ended stays here: the one after it may be another guest's.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[async_trait]
impl Pollable for Handle {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Handle {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
