//! Who is compared: one entry for each contender.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use test_support::artifacts;

/// What every row is compared with: the component on the embedded runtime, as they ship.
pub const OURS: &str = "runtime";

/// A server to measure.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What `--only` and the tables call it.
    pub name: String,
    /// What it is, and what it does otherwise than the others.
    pub what: &'static str,
    /// How it is started.
    pub program: Program,
    /// Arguments and environment variables that make the difference.
    pub settings: Settings,
    /// Whether it runs in scenarios that are not about variants.
    pub is_main: bool,
    /// Whether it is measured when `--only` names scenarios alone, or is not given.
    pub is_default: bool,
    /// What it does not have: routes, [`TLS`], [`HTTP2`].
    pub lacks: &'static [&'static str],
}

/// What a contender may lack: HTTPS.
pub const TLS: &str = "TLS";

/// What a contender may lack: HTTP/2 without TLS.
pub const HTTP2: &str = "HTTP/2";

/// The page of the component that misbehaves on which it does not.
pub const ONE_IN_TEN: &str = "/one-in-ten/1";

impl Contender {
    /// Whether it is this repository's, or another build of it.
    pub fn is_ours(&self) -> bool {
        matches!(self.program, Program::Runtime(_, Application::Ours | Application::Guest))
    }

    /// Whether it is the component that misbehaves, which has no route of the others.
    pub fn is_guest(&self) -> bool {
        matches!(self.program, Program::Runtime(_, Application::Guest))
    }
}

/// How a server is started.
#[derive(Clone, Debug)]
pub enum Program {
    /// A build of `httpserver` with an application.
    Runtime(PathBuf, Application),
    /// A program that gets its address in `LISTEN`, and with TLS its files in `TLS_CERT` and `TLS_KEY`.
    Plain(PathBuf),
    /// podinfo.
    Podinfo(PathBuf),
    /// Real Spin, with this repository's application.
    Spin(PathBuf),
}

/// What a build of `httpserver` serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// This repository's.
    Ours,
    /// The same routes with spin-sdk's macro.
    Macro,
    /// The component that misbehaves on request.
    Guest,
}

impl Program {
    /// The file.
    pub fn path(&self) -> &Path {
        let (Self::Runtime(path, _) | Self::Plain(path) | Self::Podinfo(path) | Self::Spin(path)) = self;
        path
    }

    /// A page that it responds to with 200.
    pub fn page(&self) -> &'static str {
        if let Self::Runtime(_, Application::Guest) = self { ONE_IN_TEN } else { "/healthz" }
    }
}

/// What is special about a contender.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Arguments after those that each such program gets.
    pub arguments: &'static [&'static str],
    /// Its environment. `SINK` in a value stands for the URL of a server that takes telemetry.
    pub environment: &'static [(&'static str, &'static str)],
    /// Where its standard output goes.
    pub stdout: Stdout,
}

/// Where the standard output goes, which has the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// `/dev/null`
    Null,
    /// A file on the disk.
    File,
    /// A pipe that somebody reads, as the container's log is.
    Pipe,
}

/// What stands for the URL of a server that takes telemetry.
pub const SINK: &str = "SINK";

/// Nothing special.
pub const PLAIN: Settings = Settings { arguments: &[], environment: &[], stdout: Stdout::Null };

/// The ways to run the component on the embedded runtime: after the contender's name, what it is, and its settings.
const VARIANTS: &[(&str, &str, Settings)] = &[
    ("", "the component on the embedded runtime; its access log goes to /dev/null", PLAIN),
    ("-quiet", "… with the access log off", Settings { environment: &[("SPIN_VARIABLE_LOG", "json:warn")], ..PLAIN }),
    ("-file", "… with the log to a file", Settings { stdout: Stdout::File, ..PLAIN }),
    ("-pipe", "… with the log to a pipe", Settings { stdout: Stdout::Pipe, ..PLAIN }),
    (
        "-metrics",
        "… with the component's metrics on",
        Settings { environment: &[("SPIN_VARIABLE_METRICS", "on")], ..PLAIN },
    ),
    (
        "-host-metrics",
        "… with the runtime's metrics on",
        Settings { arguments: &["--metrics-listen", "127.0.0.1:0"], ..PLAIN },
    ),
    (
        "-otel-1-percent",
        "… with OpenTelemetry to a sink, and one of a hundred requests traced",
        Settings {
            environment: &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", SINK),
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.01"),
            ],
            ..PLAIN
        },
    ),
    (
        "-otel-all",
        "… with OpenTelemetry to a sink, and each request traced",
        Settings { environment: &[("OTEL_EXPORTER_OTLP_ENDPOINT", SINK)], ..PLAIN },
    ),
];

/// All contenders; `programs` are other builds of `httpserver`, each as `NAME=PATH`.
pub fn all(programs: &[String]) -> Result<Vec<Contender>> {
    let mut all: Vec<_> = variants(OURS, artifacts::runtime(), true).collect();
    for text in programs {
        let (name, path) = named(text)?;
        ensure!(all.iter().all(|known| known.name != name), "invalid name \"{name}\": a contender has it already");
        all.extend(variants(&name, path, false));
    }
    let made = Program::Runtime(artifacts::runtime(), Application::Macro);
    let what = "the same routes with spin-sdk 5.2's macro, on the embedded runtime";
    all.push(other("macro", what, made, &[]));
    if let Some(spin) = spin() {
        let what = "the component on Spin; the access log goes to /dev/null and to Spin's own file";
        all.push(other("spin", what, Program::Spin(spin), &[TLS, HTTP2]));
    }
    let guest = Program::Runtime(artifacts::runtime(), Application::Guest);
    all.push(other("guest", "the component that misbehaves, on the embedded runtime", guest, &[]));
    let go = Program::Plain(artifacts::tool("baseline"));
    all.push(other("go", "Go's net/http with the same routes, and an access log, too", go, &[]));
    let podinfo = Program::Podinfo(artifacts::tool("podinfo"));
    let what = "podinfo: its /healthz returns JSON, and it writes no access log";
    all.push(other("podinfo", what, podinfo, &["/", "/echo", TLS, HTTP2]));
    let floor = Program::Plain(floor());
    all.push(other("floor", "plain hyper: no WebAssembly, no log, no limits", floor, &[TLS, HTTP2]));
    Ok(all)
}

/// What responds 200 to everything; also the sink for telemetry.
pub fn floor() -> PathBuf {
    artifacts::tool("bench-floor")
}

fn variants(name: &str, program: PathBuf, is_ours: bool) -> impl Iterator<Item = Contender> {
    VARIANTS.iter().map(move |(suffix, what, settings)| Contender {
        name: format!("{name}{suffix}"),
        what,
        program: Program::Runtime(program.clone(), Application::Ours),
        settings: *settings,
        is_main: suffix.is_empty(),
        is_default: is_ours || suffix.is_empty(),
        lacks: &[],
    })
}

fn other(name: &str, what: &'static str, program: Program, lacks: &'static [&'static str]) -> Contender {
    Contender { name: name.to_owned(), what, program, settings: PLAIN, is_main: true, is_default: true, lacks }
}

/// The program that the environment variable `SPIN` names, or else `spin` on the path. `None` if there is neither.
fn spin() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = || env::split_paths(&path).map(|folder| folder.join("spin")).find(|file| file.is_file());
    env::var_os("SPIN").map(PathBuf::from).or_else(found)
}

fn named(text: &str) -> Result<(String, PathBuf)> {
    let expected = || format!("invalid program \"{text}\": expected NAME=PATH, such as before=/tmp/httpserver");
    let (name, path) = text.split_once('=').with_context(expected)?;
    let path = PathBuf::from(path);
    ensure!(!name.is_empty() && path.is_file(), "{}", expected());
    Ok((name.to_owned(), path.canonicalize()?))
}
