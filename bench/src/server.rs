//! A contender at work: a process of its own, which ends with its handle.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use test_support::tls::Identity;
use test_support::wait::{Patience, find_despite_errors, poll};
use test_support::{App, Connection, Output, Response, artifacts};

use crate::contenders::{Application, Contender, Program, SINK, Settings, Stdout};

/// How long a server may take to end after SIGTERM: what it does then is not measured.
const END: Patience = Patience { limit: Duration::from_secs(3), interval: Duration::from_millis(2) };

/// How long a start may take: without compiled code, some seconds on a busy machine. Asked often, because the time is measured.
const START: Patience = Patience { limit: Duration::from_secs(60), interval: Duration::from_millis(1) };

/// The manifest of the component with spin-sdk's macro.
const MACRO_MANIFEST: &str = r#"
spin_manifest_version = 2
[application]
name = "macro"
version = "0.1.0"
[variables]
version = { default = "dev" }
[[trigger.http]]
route = "/..."
component = "macro"
[component.macro]
source = "component.wasm"
[component.macro.variables]
version = "{{ version }}"
"#;

/// A running server.
pub struct Server {
    child: Child,
    address: SocketAddr,
    has_tls: bool,
    /// When the process was started.
    started: Instant,
    errors: Output,
    // The application, which ends with the server.
    _app: Option<App>,
}

/// What all servers of a run share.
#[derive(Clone)]
pub struct Surroundings {
    /// The cores that they run on, as taskset(1) takes them.
    pub cores: Option<String>,
    /// The folder for logs.
    pub folder: PathBuf,
    /// The URL of a server that takes telemetry.
    pub sink: String,
    /// The certificate of servers that have TLS.
    pub identity: Rc<Identity>,
}

/// How a server is to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// With TLS.
    pub tls: bool,
    /// Without what an earlier start has left.
    pub cold: bool,
}

impl Server {
    /// Starts one, and waits until it responds with 200.
    pub fn start(contender: &Contender, surroundings: &Surroundings, manner: Manner) -> Result<Self> {
        Self::start_program(&contender.program, &contender.settings, surroundings, manner)
            .with_context(|| format!("{} does not start", contender.name))
    }

    /// Starts a program with these settings, and waits until it responds with 200; with TLS, until it accepts a connection.
    pub fn start_program(
        program: &Program,
        settings: &Settings,
        surroundings: &Surroundings,
        manner: Manner,
    ) -> Result<Self> {
        let address = free_address()?;
        let app = match program {
            Program::Runtime(_, application) => Some(app(*application)?),
            Program::Spin(_) => Some(App::shipped()),
            Program::Plain(_) | Program::Podinfo(_) => None,
        };
        let mut command = command(program, address, app.as_ref(), surroundings.cores.as_deref());
        let resolved = |value: &str| value.replace(SINK, &surroundings.sink);
        command.args(settings.arguments);
        command.envs(settings.environment.iter().map(|(name, value)| (name, resolved(value))));
        if manner.tls {
            encrypt(&mut command, program, &surroundings.identity);
        }
        let cache = if manner.cold { surroundings.empty_folder()? } else { artifacts::cache() };
        command.env("XDG_CACHE_HOME", cache);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command.stdout(match settings.stdout {
            Stdout::Null => Stdio::null(),
            Stdout::Pipe => Stdio::piped(),
            Stdout::File => File::create(surroundings.folder.join("access.log"))?.into(),
        });
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let errors = Output::collect(child.stderr.take().expect("piped"));
        if let Some(mut log) = child.stdout.take() {
            // Until the server ends.
            thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        }
        // The handle exists before the wait, so that a failed start ends the process.
        let mut server = Self { child, address, has_tls: manner.tls, started, errors, _app: app };
        server.wait_until_it_serves(program.page())?;
        Ok(server)
    }

    /// The time since the process was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// `http://ADDRESS`, or with TLS `https://…`.
    pub fn url(&self) -> String {
        format!("http{}://{}", if self.has_tls { "s" } else { "" }, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends this request over a new connection.
    pub fn ask(&self, request: &str) -> io::Result<Response> {
        Connection::try_open(self.address)?.send(request).try_response()
    }

    fn wait_until_it_serves(&mut self, page: &str) -> Result<()> {
        let request = format!("GET {page} HTTP/1.1\r\nHost: bench\r\n\r\n");
        let ready = find_despite_errors("a response with 200", START, || {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(Err(status)));
            }
            if self.has_tls {
                Connection::try_open(self.address)?;
                return Ok(Some(Ok(())));
            }
            Ok((self.ask(&request)?.status == 200).then_some(Ok(())))
        });
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("it ended with {status}:\n{}", self.errors),
            Err(error) => Err(error.context(format!("it printed:\n{}", self.errors))),
        }
    }
}

impl Surroundings {
    /// A folder with nothing in it.
    fn empty_folder(&self) -> io::Result<PathBuf> {
        let folder = self.folder.join("cold");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir(&folder)?,
        }
        Ok(folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Spin is two processes: the first one ends the second only after a SIGTERM. An error means that it has ended.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        poll(END, || self.child.try_wait().ok().flatten());
        // Both fail if the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The command line without what is special about the contender. It gets no variable of our own environment: `RUST_BACKTRACE` alone
/// would cost a third of the speed.
fn command(program: &Program, address: SocketAddr, app: Option<&App>, cores: Option<&str>) -> Command {
    let mut command = on_cores(program.path(), cores);
    command.env_clear();
    if let Program::Spin(_) = program {
        // It wants its home and the tools on the path.
        command.envs(env::vars_os().filter(|(name, _)| name == "HOME" || name == "PATH"));
    }
    match (program, app) {
        (_, Some(app)) => {
            command.arg("up").arg("-f").arg(app.folder().join("spin.toml")).arg("--listen").arg(address.to_string())
        }
        (Program::Podinfo(_), _) => {
            command.arg("--host").arg(address.ip().to_string()).arg("--port").arg(address.port().to_string())
        }
        _ => command.env("LISTEN", address.to_string()),
    };
    command
}

/// The application's files.
fn app(application: Application) -> io::Result<App> {
    Ok(match application {
        Application::Ours => App::shipped(),
        Application::Guest => App::guest(),
        Application::Macro => {
            let component = fs::read(artifacts::tool("macro-guest"))?;
            App::empty().file("spin.toml", MACRO_MANIFEST).file("component.wasm", component)
        }
    })
}

/// Lets the program serve HTTPS.
fn encrypt(command: &mut Command, program: &Program, identity: &Identity) {
    match program {
        Program::Runtime(..) => {
            command.arg("--tls-cert").arg(identity.certificate()).arg("--tls-key").arg(identity.key())
        }
        Program::Plain(_) | Program::Podinfo(_) | Program::Spin(_) => {
            command.env("TLS_CERT", identity.certificate()).env("TLS_KEY", identity.key())
        }
    };
}

/// A program, on these cores if there are any.
pub fn on_cores(program: &Path, cores: Option<&str>) -> Command {
    let Some(cores) = cores else { return Command::new(program) };
    // It becomes the program, so that the process is the program's.
    let mut command = Command::new("/usr/bin/taskset");
    command.args(["--cpu-list", cores]).arg(program);
    command
}

/// An address with a free port. Not every contender tells which port it got if it was asked for port 0.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
