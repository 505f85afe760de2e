//! One request with a large body, whose response is the same body.

use std::io::Write;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use test_support::{Connection, Memory};

use crate::clocks::Clocks;
use crate::request;
use crate::results::{Metric, Sample};
use crate::scenarios::Load;
use crate::server::Server;

/// Bytes of one write: as many as a file copy would take.
const PIECE: usize = 1 << 16;

/// Sends a body of `bytes` bytes, and reads the same body back.
pub fn sample(server: &Server, load: &Load, bytes: u64) -> Result<Sample> {
    let mut connection = Connection::try_open(server.address())?;
    let mut socket = connection.socket();
    let (clocks, start) = (Clocks::read(server)?, Instant::now());
    socket.write_all(request::head(load, bytes).as_bytes())?;
    let sender = thread::spawn(move || {
        let piece = [b'x'; PIECE];
        (0..bytes / PIECE as u64).try_for_each(|_| socket.write_all(&piece))
    });
    let head = connection.head();
    let mut received = 0;
    connection.body(head.framing(), |piece| received += piece.len() as u64)?;
    sender.join().expect("the thread does not panic").context("the server does not take the body")?;
    ensure!(head.status == 200 && received == bytes, "status {}, {received} of {bytes} bytes", head.status);
    let mut sample = Sample::from([
        (Metric::Rate, 1.0 / start.elapsed().as_secs_f64()),
        (Metric::ResidentPeak, Memory::for_process(server.pid()).peak as f64 / f64::from(1 << 20)),
    ]);
    sample.extend(clocks.until_now(server, 1)?);
    Ok(sample)
}
