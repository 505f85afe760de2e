//! A Spin application in a folder of its own, and the command line that serves it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Pid;
use tempfile::TempDir;

use crate::server::{Launch, Server};
use crate::{Output, artifacts, eventually};

/// An application to start: a temporary folder with `spin.toml` and its files, arguments and environment.
///
/// The process sees no environment variable of the test's own, and keeps its compiled code in [`artifacts::cache`].
pub struct App {
    folder: TempDir,
    launch: Launch,
    listen: Option<String>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    first: Option<String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All it printed on stdout.
    pub stdout: String,
    /// All it printed on stderr.
    pub stderr: String,
}

impl App {
    /// The manifest of an application that has only a component.
    pub const PLAIN_MANIFEST: &str = r#"
spin_manifest_version = 2
[application]
name = "test-guest"
version = "0.1.0"
[[trigger.http]]
route = "/..."
component = "test-guest"
[component.test-guest]
source = "component.wasm"
"#;

    /// This repository's application, with the component that ships.
    pub fn shipped() -> Self {
        Self::httpserver(&artifacts::component())
    }

    /// This repository's `spin.toml` around the component in that file.
    pub fn httpserver(component: &Path) -> Self {
        let text = fs::read_to_string(artifacts::manifest()).expect("the repository has a spin.toml");
        let mut manifest: toml::Table = text.parse().expect("the repository's spin.toml is valid");
        let components = manifest.get_mut("component").and_then(toml::Value::as_table_mut).expect("it has components");
        for (_, component) in components.iter_mut() {
            component.as_table_mut().expect("a component is a table").insert("source".into(), "component.wasm".into());
        }
        Self::empty().file("spin.toml", manifest.to_string()).component(component)
    }

    /// The misbehaving guest of `tests/guest`.
    pub fn guest() -> Self {
        Self::plain().component(&artifacts::guest())
    }

    /// [`App::PLAIN_MANIFEST`] without its component.
    pub fn plain() -> Self {
        Self::empty().file("spin.toml", Self::PLAIN_MANIFEST)
    }

    /// An empty folder.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            launch: Launch::Runtime,
            listen: Some("127.0.0.1:0".to_owned()),
            arguments: Vec::new(),
            environment: Vec::new(),
            first: None,
        }
        .env("XDG_CACHE_HOME", artifacts::cache())
    }

    /// Adds or replaces a file in the application's folder.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.path().join(name), content).expect("a temporary folder takes files");
        self
    }

    fn component(self, component: &Path) -> Self {
        let bytes = fs::read(component).expect("the component was built");
        self.file("component.wasm", bytes)
    }

    /// Adds an argument of `up`.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments of `up`.
    pub fn args(self, arguments: impl IntoIterator<Item: Into<OsString>>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Adds an environment variable, or replaces one.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self = self.without_env(name);
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Takes an environment variable away.
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// Sets where to listen; by default a free port of 127.0.0.1.
    pub fn listen(mut self, address: impl ToString) -> Self {
        self.listen = Some(address.to_string());
        self
    }

    /// Sets where to listen by the environment variable for it, instead of the argument.
    pub fn listen_by_environment(mut self, address: &str) -> Self {
        self.listen = None;
        self.env("SPIN_HTTP_LISTEN_ADDR", address)
    }

    /// Sets a shell command that the process runs before it becomes the program: for limits that it is to have.
    pub fn first(mut self, command: impl Into<String>) -> Self {
        self.first = Some(command.into());
        self
    }

    /// Sets what serves the application; by default the runtime.
    pub fn launch(mut self, launch: Launch) -> Self {
        self.launch = launch;
        self
    }

    /// The application's folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Starts serving, and waits until it does.
    ///
    /// # Panics
    /// If it does not; the message has all that it printed.
    #[track_caller]
    pub fn start(self) -> Server {
        let command = self.command();
        Server::start(command, self.folder, self.launch)
    }

    /// Runs a command that ends by itself.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn run(self) -> Finished {
        self.run_and(|_| {})
    }

    /// Runs a command that ends by itself or by what `act` does to its process.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn run_and(self, act: impl FnOnce(Pid)) -> Finished {
        let mut child = Ended(self.command().spawn().expect("the program starts"));
        let stdout = Output::collect(child.0.stdout.take().expect("piped"));
        let stderr = Output::collect(child.0.stderr.take().expect("piped"));
        act(Pid::from_child(&child.0));
        let status = eventually("the command ends", || child.0.try_wait().expect("our own child"));
        Finished { code: status.code(), stdout: stdout.to_end(), stderr: stderr.to_end() }
    }

    fn command(&self) -> Command {
        let program = match &self.launch {
            Launch::Runtime => artifacts::runtime(),
            Launch::Spin(program) => program.clone(),
        };
        let mut command = match &self.first {
            None => Command::new(program),
            Some(first) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("{first} && exec \"$0\" \"$@\"")]).arg(program);
                shell
            }
        };
        match self.launch {
            Launch::Runtime => command.env_clear(),
            // Spin wants its home and the tools on the path, but the variables are the test's to set.
            Launch::Spin(_) => {
                let stray = env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPIN_"));
                stray.fold(&mut command, |command, (name, _)| command.env_remove(name))
            }
        };
        command.arg("up").arg("-f").arg(self.folder.path().join("spin.toml"));
        command.args(self.listen.iter().flat_map(|address| ["--listen", address])).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A child that does not outlive its handle.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail if the process has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
