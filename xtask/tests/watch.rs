//! `cargo xtask up --watch`, in a copy of this checkout: changes are served, mistakes are not, and no request fails meanwhile.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::{Output, artifacts, eventually};

/// How long a change may take until it is served, on a machine that is busy with other tests. Alone it takes two or three seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for the start, which may have to build everything.
const START: Duration = Duration::from_secs(300);

/// What the watching program says after a mistake.
const KEPT: &str = "the server from before the change goes on";

#[test]
fn a_change_is_served_and_a_mistake_is_not_and_no_request_fails() {
    let mut checkout = Checkout::new();
    let address = checkout.address();
    let clients = [Client::start(address, "/healthz"), Client::start(address, "/delay/0.3")];
    assert!(get(address, "/").unwrap().contains("response write ok"));

    // A change of the sources.
    let root = "src/handlers/root.rs";
    checkout.replace(root, "response write ok", "response write changed");
    checkout.until("the change is served", || get(address, "/").unwrap().contains("response write changed"));

    // A compile error, then none.
    checkout.replace(root, "response write changed", "response write mended\" \"");
    checkout.until("the error is shown", || checkout.says(KEPT, 1));
    assert!(checkout.says("error: expected", 1), "{}", checkout.output);
    assert!(get(address, "/").unwrap().contains("response write changed"));
    checkout.replace(root, "mended\" \"", "mended");
    checkout.until("the correction is served", || get(address, "/").unwrap().contains("response write mended"));

    // A bad manifest, then a good one.
    checkout.replace("spin.toml", "spin_manifest_version = 2", "spin_manifest_version = 9");
    checkout.until("the error is shown", || checkout.says(KEPT, 2));
    assert!(get(address, "/").unwrap().contains("response write mended"));
    checkout.replace("spin.toml", "spin_manifest_version = 9", "spin_manifest_version = 2");
    checkout.replace("spin.toml", "version = { default = \"dev\" }", "version = { default = \"v9\" }");
    checkout.until("the variable is served", || get(address, "/").unwrap().contains("version: v9"));

    let [short, long] = clients.map(Client::stop);
    assert!(short > 100 && long > 3, "only {short} short and {long} long requests");
    assert!(checkout.end().success());
    assert!(TcpStream::connect(address).is_err(), "a server is still there");
}

/// A copy of this checkout, and `cargo xtask up --watch` in it.
struct Checkout {
    folder: TempDir,
    xtask: Child,
    output: Output,
}

impl Checkout {
    fn new() -> Self {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy(original, folder.path(), &["target", ".git"]);
        // What the component is made of besides our own sources, which takes a minute to build: of the flavour that is built here.
        let flavours = ["rustup/ship", "debian/ship", "rustup/stable", "debian/stable"];
        let made = flavours.iter().map(|flavour| Path::new("target").join(flavour));
        if let Some(made) = made.into_iter().find(|made| original.join(made).is_dir()) {
            copy(&original.join(&made), &folder.path().join(&made), &[]);
        }
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(["up", "--watch", "--listen", "127.0.0.1:0", "--runtime"]).arg(artifacts::runtime());
        xtask.current_dir(folder.path()).env("CARGO_MANIFEST_DIR", folder.path().join("xtask"));
        let mut xtask = xtask.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Output::collect(xtask.stderr.take().unwrap());
        Self { folder, xtask, output }
    }

    /// Where it serves, once it does.
    fn address(&self) -> SocketAddr {
        let mut address = None;
        self.within(START, "it serves", || {
            let lines = self.output.lines();
            address = lines.iter().find_map(|line| line.strip_prefix("Serving http://")?.parse().ok());
            address.is_some()
        });
        address.unwrap()
    }

    /// Changes a file as an editor does, in one step.
    fn replace(&self, file: &str, from: &str, to: &str) {
        let file = self.folder.path().join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "no {from:?} in {}", file.display());
        let new = file.with_extension("new");
        fs::write(&new, text.replacen(from, to, 1)).unwrap();
        fs::rename(&new, &file).unwrap();
    }

    /// Whether it printed `text` so many times.
    fn says(&self, text: &str, times: usize) -> bool {
        self.output.lines().iter().filter(|line| line.contains(text)).count() >= times
    }

    fn until(&self, what: &str, ask: impl FnMut() -> bool) {
        self.within(PATIENCE, what, ask);
    }

    #[track_caller]
    fn within(&self, limit: Duration, what: &str, mut ask: impl FnMut() -> bool) {
        let deadline = Instant::now() + limit;
        while !ask() {
            assert!(Instant::now() < deadline, "not within {limit:?}: {what}\n{}", self.output);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a service manager does.
    fn end(&mut self) -> ExitStatus {
        let kill = Command::new("kill").arg(self.xtask.id().to_string()).status();
        assert!(kill.unwrap().success());
        eventually("it ends", || self.xtask.try_wait().unwrap())
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // Its server ends with it.
        let _ = self.xtask.kill();
        let _ = self.xtask.wait();
    }
}

/// Copies a folder, but for what has one of these names at its top.
fn copy(from: &Path, to: &Path, without: &[&str]) {
    fs::create_dir_all(to).unwrap();
    let entries: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    let wanted = entries.iter().filter(|path| !without.iter().any(|name| path.ends_with(name)));
    // Times too, by which cargo knows what is new.
    let status = Command::new("cp").args(["-R", "--preserve=mode,timestamps,links"]).args(wanted).arg(to).status();
    assert!(status.unwrap().success());
}

/// Asks without a pause, each time over a new connection.
struct Client {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Client {
    fn start(address: SocketAddr, path: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut requests = 0;
            while !stopped.load(Ordering::Relaxed) {
                let response = get(address, path).unwrap_or_else(|error| panic!("request {requests}: {error}"));
                assert!(response.starts_with("HTTP/1.1 200 "), "request {requests}: {response}");
                requests += 1;
                thread::sleep(Duration::from_millis(1));
            }
            requests
        });
        Self { stop, thread }
    }

    /// Stops it, and returns how many requests there were. None of them failed.
    fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The whole response to `GET path`.
fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
