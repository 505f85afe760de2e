//! A client that sends any bytes, also those that a client library would hide or refuse.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::wait::Patience;
use crate::{Framing, Response};

/// A TCP connection on which each read and each write has a deadline.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// If no server accepts the connection.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    /// Connects, or says why not.
    pub fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Patience::PROCESS.limit)?;
        stream.set_read_timeout(Some(Patience::PROCESS.limit))?;
        stream.set_write_timeout(Some(Patience::PROCESS.limit))?;
        // Otherwise a test would wait for the server's delayed acknowledgements.
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::with_capacity(1 << 16, stream) })
    }

    /// The socket itself, to read or write in addition to this handle.
    pub fn socket(&self) -> TcpStream {
        self.reader.get_ref().try_clone().expect("a socket can be shared")
    }

    /// This side's address, as the server sees it.
    pub fn local_address(&self) -> SocketAddr {
        self.reader.get_ref().local_addr().expect("a connected socket has an address")
    }

    /// Sends bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.reader.get_mut().write_all(bytes.as_ref()).expect("the server takes what is sent");
        self
    }

    /// Ends this side's sending; the other direction stays open.
    pub fn finish_sending(&mut self) -> &mut Self {
        self.reader.get_ref().shutdown(Shutdown::Write).expect("the connection is open");
        self
    }

    /// Sends `GET path` and returns the response; the connection stays open.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).response()
    }

    /// Reads one whole response to anything but HEAD.
    ///
    /// # Panics
    /// If none comes, or not all of it.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response().unwrap_or_else(|error| panic!("no whole response: {error}"))
    }

    /// Reads one whole response to anything but HEAD, or says why there is none.
    ///
    /// # Errors
    /// `UnexpectedEof` if the connection ended in the middle, and whatever the socket says.
    pub fn try_response(&mut self) -> io::Result<Response> {
        let mut response = self.try_head()?;
        let mut body = Vec::new();
        self.body(response.framing(), |bytes| body.extend_from_slice(bytes))?;
        response.body = body;
        Ok(response)
    }

    /// Reads the head of a response and leaves its body, if there is one, for [`Connection::body`].
    #[track_caller]
    pub fn head(&mut self) -> Response {
        self.try_head().unwrap_or_else(|error| panic!("no response head: {error}"))
    }

    fn try_head(&mut self) -> io::Result<Response> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            self.line(&mut head)?;
        }
        Ok(Response::parse(&head))
    }

    /// Reads a body and hands it over piece by piece, as it comes.
    ///
    /// # Errors
    /// `UnexpectedEof` if the connection ended before the body did, and whatever the socket says.
    pub fn body(&mut self, framing: Framing, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        match framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.take(length, &mut sink),
            Framing::UntilClose => loop {
                match self.piece(u64::MAX, &mut sink)? {
                    0 => return Ok(()),
                    _ => continue,
                }
            },
            Framing::Chunked => loop {
                let mut line = Vec::new();
                self.line(&mut line)?;
                let Ok(httparse::Status::Complete((_, size))) = httparse::parse_chunk_size(&line) else {
                    return Err(io::Error::new(ErrorKind::InvalidData, format!("no chunk size: {line:?}")));
                };
                self.take(size, &mut sink)?;
                self.line(&mut line)?;
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    /// Reads what comes until the server closes the connection; a reset counts as closing.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.reader.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("the connection stays open: {error}"),
            _ => bytes,
        }
    }

    fn line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        self.reader.read_until(b'\n', line)?;
        if line.ends_with(b"\n") { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn take(&mut self, mut length: u64, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            match self.piece(length, sink)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => length -= read,
            }
        }
        Ok(())
    }

    /// Hands over what the buffer holds, at most `limit` bytes, and returns how many; 0 at the end of the stream.
    fn piece(&mut self, limit: u64, sink: &mut impl FnMut(&[u8])) -> io::Result<u64> {
        let bytes = self.reader.fill_buf()?;
        let piece = &bytes[..bytes.len().min(usize::try_from(limit).unwrap_or(usize::MAX))];
        let read = piece.len();
        sink(piece);
        self.reader.consume(read);
        Ok(read as u64)
    }
}
