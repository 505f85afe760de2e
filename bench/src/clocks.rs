//! Who uses how much CPU time while something is measured.

use std::time::Instant;

use anyhow::Result;

use crate::cpu::Cpu;
use crate::results::Metric;
use crate::server::Server;

/// The time, and the CPU time that everybody has used so far.
pub struct Clocks {
    time: Instant,
    server: Cpu,
    clients: Cpu,
    machine: Cpu,
}

impl Clocks {
    /// Reads them.
    pub fn read(server: &Server) -> Result<Self> {
        let (server, clients) = (Cpu::of_tree(server.pid())?, Cpu::of_this_process()?);
        Ok(Self { time: Instant::now(), server, clients, machine: Cpu::of_machine()? })
    }

    /// What was used since then, for that many responses.
    pub fn until_now(&self, server: &Server, responses: u64) -> Result<[(Metric, f64); 5]> {
        let now = Self::read(server)?;
        let seconds = (now.time - self.time).as_secs_f64();
        let server = now.server - self.server;
        let clients = (now.clients - self.clients).total();
        // The clocks tick each hundredth of a second, so that the rest can be a little below zero.
        let others = ((now.machine - self.machine).total() - server.total() - clients).max(0.0);
        let each = |seconds: f64| seconds * 1e6 / responses as f64;
        Ok([
            (Metric::Cpu, each(server.total())),
            (Metric::CpuUser, each(server.user)),
            (Metric::CpuSystem, each(server.system)),
            (Metric::Client, clients / seconds),
            (Metric::Others, others / seconds),
        ])
    }
}
