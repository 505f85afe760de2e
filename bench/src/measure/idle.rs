//! Connections that are open and say nothing.

use anyhow::{Context, Result};
use test_support::{Connection, Memory};

use crate::server::Server;

/// A request whose response leaves the connection open.
const REQUEST: &str = "GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n";

/// Open connections, each after one request. They end with this handle.
pub struct Connections {
    open: Vec<Connection>,
    /// The server's resident memory before, bytes.
    before: u64,
}

impl Connections {
    /// Opens `count` connections.
    ///
    /// # Errors
    /// The server does not respond on one of them, or this process may not open that many.
    pub fn open(server: &Server, count: u32) -> Result<Self> {
        let mut connections = Self { open: Vec::new(), before: Memory::for_process(server.pid()).resident };
        for number in 0..count {
            let what = || format!("connection {number}: the limit of open files (`ulimit -n`) has to be above {count}");
            let mut connection = Connection::try_open(server.address()).with_context(what)?;
            connection.send(REQUEST).try_response().with_context(what)?;
            connections.open.push(connection);
        }
        Ok(connections)
    }

    /// The server's memory for each, KiB.
    pub fn memory(&self, server: &Server) -> f64 {
        let now = Memory::for_process(server.pid()).resident;
        now.saturating_sub(self.before) as f64 / 1024.0 / self.open.len() as f64
    }
}
