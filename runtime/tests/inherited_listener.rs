//! A server on a socket that it inherits: it can be replaced, and the socket loses no connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server process, with one thread, so that what it does has one order. It is killed when this is dropped.
struct Server {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    _folder: TempDir,
}

impl Server {
    /// Starts a server of the application `version` on `socket`, and waits until it serves.
    fn start(socket: &TcpListener, version: &str) -> Self {
        let mut server = Self::spawn(socket, version, "LISTEN_FDS=1 LISTEN_PID=$$");
        let address = socket.local_addr().unwrap();
        assert!(server.line_with("Serving").ends_with(&format!("http://{address}\n")));
        server
    }

    /// Starts a server with these environment variables, `socket` as its file descriptor 3, and an address that it must not use.
    fn spawn(socket: &TcpListener, version: &str, environment: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let guest =
            env::var("HTTPSERVER_GUEST").expect("HTTPSERVER_GUEST is not set: run `cargo xtask test`, which sets it");
        let manifest = format!(
            "spin_manifest_version = 2\n\
             [application]\nname = \"app\"\nversion = \"{version}\"\n\
             [[trigger.http]]\nroute = \"/...\"\ncomponent = \"app\"\n\
             [component.app]\nsource = \"{guest}\"\n"
        );
        fs::write(folder.path().join("spin.toml"), manifest).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{environment} exec \"$@\" 3<&0 </dev/null"), "sh"])
            .args([env!("CARGO_BIN_EXE_httpserver"), "up", "--threads=1", "--listen=192.0.2.1:1", "-f"])
            .arg(folder.path())
            .env("XDG_CACHE_HOME", env::current_exe().unwrap().with_file_name("test-cache"))
            .stdin(OwnedFd::from(socket.try_clone().unwrap()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, _folder: folder }
    }

    /// The next line on stderr that contains `text`.
    fn line_with(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "stderr ended before a line with {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    stream
}

/// Sends `text`, then reads until the server closes the connection.
fn exchange(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// Tells the version of the application.
const INFO: &str = "GET /.well-known/spin/info HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

#[test]
fn a_connection_during_a_drain_waits_for_the_next_server() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut old = Server::start(&socket, "old");
    assert!(exchange(&mut connect(address), INFO).ends_with(r#""version":"old"}"#));
    let mut held = connect(address);
    held.write_all(b"POST /hold HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut continued = [0; 25];
    held.read_exact(&mut continued).unwrap();
    // After a request: the server has accepted it for certain.
    let mut idle = connect(address);
    idle.write_all(b"GET /ok HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\nok") {
        let mut piece = [0; 1024];
        let length = idle.read(&mut piece).unwrap();
        assert_ne!(length, 0, "the server closed a connection that is kept alive");
        response.extend_from_slice(&piece[..length]);
    }
    old.terminate();
    assert_eq!(exchange(&mut idle, ""), "", "the drain closes it");

    let mut waiting = connect(address);
    waiting.write_all(INFO.as_bytes()).unwrap();
    let _new = Server::start(&socket, "new");
    assert!(exchange(&mut waiting, "").ends_with(r#""version":"new"}"#));
    let response = exchange(&mut held, "x");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert_eq!(old.child.wait().unwrap().code(), Some(0));
}

#[test]
fn one_server_after_the_other_fails_no_connection() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut server = Server::start(&socket, "1");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let client = std::thread::spawn(move || {
        let mut responses = 0;
        while stopped.try_recv().is_err() {
            let response = exchange(&mut connect(address), INFO);
            assert!(response.starts_with("HTTP/1.1 200"), "{response:?} after {responses} others");
            responses += 1;
        }
        responses
    });
    for version in 2..8 {
        server.terminate();
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        server = Server::start(&socket, &version.to_string());
    }
    stop.send(()).unwrap();
    assert!(client.join().unwrap() > 6);
}

#[test]
fn only_one_listening_tcp_socket_is_accepted() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    for (environment, expected) in [
        ("LISTEN_FDS=2 LISTEN_PID=$$", "invalid LISTEN_FDS \"2\": expected 1"),
        ("LISTEN_FDS=1 LISTEN_FDS_FIRST_FD=0", "invalid socket by LISTEN_FDS: expected a listening TCP socket"),
        ("LISTEN_FDS=1 LISTEN_PID=1", "cannot listen on 192.0.2.1:1"),
    ] {
        let mut server = Server::spawn(&socket, "1", environment);
        let line = server.line_with("error");
        assert!(line.contains(expected), "{environment}: {line}");
        assert_eq!(server.child.wait().unwrap().code(), Some(1));
    }
}
