//! How much memory a server takes, and whether it gives it back.

use anyhow::Result;
use test_support::Memory;

use crate::results::{Metric, Sample};
use crate::scenarios::Load;
use crate::server::Server;
use crate::wrk::Wrk;

/// Seconds of one run of the load. The runs follow each other until there were enough requests.
const PIECE: u32 = 5;

/// Sends the load until the server has sent `requests` responses.
pub fn sample(wrk: &Wrk, server: &Server, load: &Load, requests: u64) -> Result<Sample> {
    let before = Memory::for_process(server.pid()).resident;
    let mut done = 0;
    while done < requests {
        done += wrk.run(&server.url(), load, PIECE)?.0;
    }
    let after = Memory::for_process(server.pid());
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok([
        (Metric::ResidentBefore, mebibytes(before)),
        (Metric::ResidentPeak, mebibytes(after.peak)),
        (Metric::ResidentAfter, mebibytes(after.resident)),
    ]
    .into())
}
