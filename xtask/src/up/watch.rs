//! `cargo xtask up --watch`: serves, and replaces the server after each change. One socket outlives all servers, so that no
//! connection is refused.

use std::env;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use signal_hook::consts::{SIGINT, SIGTERM};
use xtask_runner::{Runner, seconds};

use super::server::Server;
use super::sources::Sources;
use super::{Arguments, Built};
use crate::{build, workspace};

/// How often to look for changes: not noticeable to a person.
const INTERVAL: Duration = Duration::from_millis(200);

/// Where the runtime listens by default.
const DEFAULT_ADDRESS: &str = "127.0.0.1:3000";

/// Serves until a signal. Errors after the first start are shown, and do not end it.
pub fn run(runner: &mut Runner, arguments: &Arguments, built: &Built) -> Result<()> {
    let end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&end)).context("cannot handle signals")?;
    }
    let mut sources = Sources::read(workspace::root());
    let socket = listen(arguments)?;
    let mut command = built.server_command();
    command.args(&arguments.arguments);
    let mut servers = Servers::start(command, socket)?;
    while !end.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL);
        servers.look();
        let now = Sources::read(workspace::root());
        if now == sources {
            continue;
        }
        let start = Instant::now();
        match replace(runner, built, &mut servers, sources.component_differs(&now)) {
            Ok(()) => eprintln!("the change is served after {}", seconds(start.elapsed())),
            Err(_) if end.load(Ordering::Relaxed) => break,
            Err(error) => eprintln!("error: {error:#}\nthe server from before the change goes on"),
        }
        sources = now;
    }
    servers.end();
    Ok(())
}

/// Builds what changed, and starts a server with it.
fn replace(runner: &mut Runner, built: &Built, servers: &mut Servers, component: bool) -> Result<()> {
    if component {
        build::component(runner, &built.toolchain, built.flavour)?;
    }
    servers.replace()
}

/// The socket of all servers.
fn listen(arguments: &Arguments) -> Result<TcpListener> {
    let is_listen = |word: &std::ffi::OsString| word.to_string_lossy().split('=').next() == Some("--listen");
    ensure!(
        !arguments.arguments.iter().any(is_listen),
        "with --watch the address is an argument of this command: type `cargo xtask up --watch --listen IP:PORT`"
    );
    let address = match (arguments.listen, env::var("SPIN_HTTP_LISTEN_ADDR")) {
        (Some(address), _) => address,
        (None, Ok(text)) => address(&text).context("SPIN_HTTP_LISTEN_ADDR")?,
        (None, Err(_)) => address(DEFAULT_ADDRESS)?,
    };
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; choose another address with `--listen`, port 0 for a free one")
    })
}

fn address(text: &str) -> Result<SocketAddr> {
    text.parse().with_context(|| format!("invalid address {text:?}: expected IP:PORT, such as {DEFAULT_ADDRESS}"))
}

/// The server that serves, and those that it replaced and that still drain.
struct Servers {
    command: Command,
    socket: TcpListener,
    current: Option<Server>,
    draining: Vec<Server>,
}

impl Servers {
    fn start(command: Command, socket: TcpListener) -> Result<Self> {
        let current = Some(Server::start(&command, &socket)?);
        Ok(Self { command, socket, current, draining: Vec::new() })
    }

    /// Starts a new server; the old one ends only if that serves.
    fn replace(&mut self) -> Result<()> {
        let new = Server::start(&self.command, &self.socket)?;
        if let Some(old) = self.current.replace(new) {
            old.drain();
            self.draining.push(old);
        }
        Ok(())
    }

    /// Forgets those that have ended, and says so if it is the one that serves.
    fn look(&mut self) {
        self.draining.retain_mut(|server| server.ended().is_none());
        if let Some(status) = self.current.as_mut().and_then(Server::ended) {
            eprintln!("the server ended with {status}; the next change starts another");
            self.current = None;
        }
    }

    /// Lets all of them drain, and waits until they have. Each has a limit for that, `--drain-timeout`.
    fn end(mut self) {
        if let Some(server) = self.current.take() {
            server.drain();
            self.draining.push(server);
        }
        while !self.draining.is_empty() {
            self.look();
            thread::sleep(Duration::from_millis(10));
        }
    }
}
