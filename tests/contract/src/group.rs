//! Cases that need the same variables, and the server that they share.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use test_support::Connection;
use test_support::wait::{Patience, poll};

use crate::case::{Case, Expected, Variables};
use crate::check;
use crate::target::{Started, Target};

/// Cases on one target that need the same variables. They run one after the other, so that each new line of the log belongs to
/// the latest request.
pub struct Group {
    target: Arc<Target>,
    variables: Variables,
    server: Mutex<Option<Started>>,
}

impl Group {
    pub fn new(target: &Arc<Target>, variables: &Variables) -> Self {
        Self { target: Arc::clone(target), variables: variables.clone(), server: Mutex::new(None) }
    }

    /// Runs one case; the error lists everything that was not as expected.
    pub fn run(&self, case: &Case) -> Result<(), String> {
        // The server is as good for the next case after one that panicked.
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = case.expected_on(self.target.kind());
        let mut faults = Vec::new();
        match server.get_or_insert_with(|| self.target.start(&self.variables)) {
            Started::Remote(remote) => {
                let resolved =
                    remote.address.to_socket_addrs().map_err(|error| format!("{}: {error}", remote.address))?;
                let address =
                    resolved.into_iter().next().ok_or_else(|| format!("{} has no address", remote.address))?;
                ask(case, &expected, Connection::open(address), &remote.authority, &mut faults);
            }
            Started::Local(server) => {
                self.run_with_log(case, &expected, server.address(), &|| server.stdout.lines(), &mut faults);
                if !faults.is_empty() {
                    faults.push(format!("stderr of the server:\n{}", server.stderr));
                }
            }
            Started::Near(server) => self.run_with_log(case, &expected, server.address, &server.log, &mut faults),
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }

    /// Runs one case on the server at `address`, and checks what that logs meanwhile.
    fn run_with_log(
        &self,
        case: &Case,
        expected: &Expected,
        address: SocketAddr,
        log: &dyn Fn() -> Vec<String>,
        faults: &mut Vec<String>,
    ) {
        let before = log_lines(&log()).len();
        let peer = ask(case, expected, Connection::open(address), &address.to_string(), faults);
        let lines = new_lines(address, log, before, expected.is_logged());
        check::log(case, expected, self.logs_json(), &lines, peer, faults);
    }

    fn logs_json(&self) -> bool {
        self.variables.get("log").is_none_or(|log| !log.starts_with("text"))
    }
}

/// Sends the request, checks the response, and returns this side's address.
fn ask(
    case: &Case,
    expected: &Expected,
    mut connection: Connection,
    authority: &str,
    faults: &mut Vec<String>,
) -> SocketAddr {
    let peer = connection.local_address();
    connection.send(case.bytes(authority));
    let response = if case.method() == "HEAD" { connection.head() } else { connection.response() };
    check::response(case, expected, &response, peer, faults);
    let more = connection.finish_sending().rest();
    if !more.is_empty() {
        faults.push(format!("more than one response: {:?}", String::from_utf8_lossy(&more)));
    }
    peer
}

/// What was logged after the first `before` lines, up to a request of our own that is logged at every level.
fn new_lines(address: SocketAddr, log: &dyn Fn() -> Vec<String>, before: usize, wait_for_one: bool) -> Vec<String> {
    if wait_for_one {
        poll(Patience::PROCESS, || log_lines(&log()).get(before).map(drop));
    }
    let marker = format!("marker-{before}");
    let request = format!("GET /status/500 HTTP/1.1\r\nHost: test\r\nUser-Agent: {marker}\r\n\r\n");
    Connection::open(address).send(request).response();
    let until_marker = || {
        let lines = log();
        let lines = log_lines(&lines);
        let end = lines.iter().position(|line| line.contains(&marker))?;
        Some(lines[before..end].iter().map(|line| line.to_string()).collect())
    };
    poll(Patience::PROCESS, until_marker).expect("a failure is always logged")
}

/// The lines of the access log: the target prints others on the same stream.
fn log_lines(lines: &[String]) -> Vec<&String> {
    // A line begins with an object (JSON) or with a time (text).
    lines.iter().filter(|line| line.starts_with(|first: char| first == '{' || first.is_ascii_digit())).collect()
}
