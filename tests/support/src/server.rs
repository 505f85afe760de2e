//! A server under test: a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wait::{Patience, poll};
use crate::{Connection, Memory, Output, Response, eventually};

/// The program that serves an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// The runtime of this repository.
    Runtime,
    /// Real Spin, at this path.
    Spin(PathBuf),
}

/// A running server. Dropping it ends the process, and prints what it printed if the test is failing.
pub struct Server {
    child: Child,
    launch: Launch,
    address: SocketAddr,
    /// What it has printed on stdout: the guest's output. For Spin, what it has printed on either stream.
    pub stdout: Output,
    /// What it has printed on stderr: the guest's errors and the runtime's own messages. For Spin, the same as `stdout`.
    pub stderr: Output,
    _folder: TempDir,
}

impl Server {
    #[track_caller]
    pub(crate) fn start(mut command: Command, folder: TempDir, launch: Launch) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Output::collect(child.stdout.take().expect("piped"));
        let errors = child.stderr.take().expect("piped");
        let stderr = match launch {
            Launch::Runtime => Output::collect(errors),
            // It prints its address on stdout, and the output of the guest, from both streams, on stderr.
            Launch::Spin(_) => {
                stdout.follow(errors);
                stdout.clone()
            }
        };
        // The address comes later. The handle exists before the wait, so that a failed start ends the process.
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, launch, address, stdout, stderr, _folder: folder };
        server.address = server.announced();
        server
    }

    /// Waits for the line with the address.
    #[track_caller]
    fn announced(&mut self) -> SocketAddr {
        let line = self.stderr.line_with("Serving http");
        let (_, authority) = line.split_once("://").expect("the line has a URL");
        let authority = authority.split(['/', ' ']).next().unwrap_or_default();
        authority.parse().unwrap_or_else(|_| panic!("no socket address in {line:?}"))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection to it.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends `GET path` over a new connection.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.connect().get(path)
    }

    /// Sends these bytes over a new connection and returns the first response.
    #[track_caller]
    pub fn ask(&self, request: impl AsRef<[u8]>) -> Response {
        self.connect().send(request).response()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process's memory.
    pub fn memory(&self) -> Memory {
        Memory::for_process(self.pid())
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is our own child");
    }

    /// Waits until the process has ended by itself or by a signal.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the server ends", || self.ended())
    }

    /// How the process ended; `None` if it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- stdout of the server\n{}--- stderr of the server\n{}---", self.stdout, self.stderr);
        }
        if matches!(self.launch, Launch::Spin(_)) && self.ended().is_none() {
            // Spin is two processes: the first one ends the second only after a SIGTERM.
            self.signal(Signal::TERM);
            poll(Patience::PROCESS, || self.ended());
        }
        // Both fail if the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
