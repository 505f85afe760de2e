//! The hosts: what may serve the application.

use std::path::PathBuf;
use std::{env, fmt, fs};

use serde::Deserialize;
use test_support::{App, Launch, Server, artifacts};

use crate::case::{Case, Variables};

/// Something that may serve the application.
pub struct Host {
    pub name: &'static str,
    kind: Kind,
}

enum Kind {
    /// The embedded runtime with the component in that file.
    Embedded(PathBuf),
    /// Real Spin at that path, if there is any.
    Spin(Option<PathBuf>),
    /// Servers that somebody else started, the one with the default variables first.
    Running(Vec<Elsewhere>),
}

/// The hosts to report on.
pub fn all() -> Vec<Host> {
    if let Ok(url) = env::var("HTTPSERVER_URL") {
        return vec![Host { name: "url", kind: Kind::Running(running(url)) }];
    }
    vec![
        Host { name: "embedded", kind: Kind::Embedded(artifacts::component()) },
        Host { name: "embedded, stable build", kind: Kind::Embedded(artifacts::stable_component()) },
        Host { name: "spin", kind: Kind::Spin(spin()) },
    ]
}

/// The embedded runtime behind the streams of real Spin, which is not on every machine.
pub fn stand_in() -> Host {
    let program = fs::canonicalize("tests/contract/spin-stand-in.sh").expect("a file of this repository");
    Host { name: "stand-in for spin", kind: Kind::Spin(Some(program)) }
}

/// Real Spin: what `SPIN` names, else `spin` on the path.
fn spin() -> Option<PathBuf> {
    let named = env::var_os("SPIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    named.or_else(|| env::split_paths(&path).map(|folder| folder.join("spin")).find(|file| file.is_file()))
}

/// What somebody says of a server that they started.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    variables: Variables,
    url: String,
}

/// The server at that URL, and those that `HTTPSERVER_SERVERS` names.
fn running(url: String) -> Vec<Elsewhere> {
    let mut servers = vec![Told { variables: Variables::new(), url }];
    if let Ok(file) = env::var("HTTPSERVER_SERVERS") {
        servers.extend(told(&file));
    }
    servers.into_iter().map(Elsewhere::at).collect()
}

fn told(file: &str) -> Vec<Told> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("HTTPSERVER_SERVERS={file}: {error}"));
    let example = r#"[{"variables": {"NAME": "VALUE"}, "url": "http://HOST[:PORT]"}]"#;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("HTTPSERVER_SERVERS={file}: {error}; expected {example}"))
}

fn authority(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("the URL {url}: expected http://HOST[:PORT]"));
    let authority = rest.trim_end_matches('/');
    assert!(!authority.contains('/'), "the URL {url}: expected no path, since the table has the paths");
    if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") }
}

impl Host {
    /// The name by which the table declares differences.
    pub fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Embedded(_) => "embedded",
            Kind::Spin(_) => "spin",
            Kind::Running(_) => "proxy",
        }
    }

    /// Why the case cannot run here, if it cannot.
    pub fn unable(&self, case: &Case) -> Option<String> {
        match &self.kind {
            Kind::Spin(None) => Some("not run: spin is not on PATH, SPIN is not set".to_owned()),
            Kind::Running(servers) if with(servers, &case.variables).is_none() => {
                Some(format!("not run: needs a server with the variables {:?}", case.variables))
            }
            _ => case.excluded_on(self.kind()).map(|reason| format!("not run: {reason}")),
        }
    }

    /// Starts a server with these variables.
    pub fn start(&self, variables: &Variables) -> Started {
        let app = match &self.kind {
            Kind::Running(servers) => {
                let server = with(servers, variables).expect("cases do not run where no server is for them");
                return Started::Elsewhere(server.clone());
            }
            Kind::Embedded(component) => App::httpserver(component),
            Kind::Spin(program) => {
                let program = program.clone().expect("cases do not run where there is no Spin");
                App::shipped().launch(Launch::Spin(program))
            }
        };
        let variable = |app: App, (name, value)| app.arg("--variable").arg(format!("{name}={value}"));
        Started::Here(variables.iter().fold(app, variable).start())
    }
}

/// The server that was started with these variables.
fn with<'a>(servers: &'a [Elsewhere], variables: &Variables) -> Option<&'a Elsewhere> {
    servers.iter().find(|server| server.variables == *variables)
}

/// A server to ask.
pub enum Started {
    /// Our own: we see what it logs.
    Here(Server),
    /// Somebody else's.
    Elsewhere(Elsewhere),
}

/// A server that somebody else started.
#[derive(Clone)]
pub struct Elsewhere {
    /// What it was started with.
    variables: Variables,
    /// What the requests call it: `HOST:PORT`.
    pub authority: String,
    /// Where it is: the same, unless `HTTPSERVER_CONNECT` says otherwise, as for a name that nobody resolves.
    pub address: String,
}

impl Elsewhere {
    fn at(told: Told) -> Self {
        let authority = authority(&told.url);
        let address = env::var("HTTPSERVER_CONNECT").unwrap_or_else(|_| authority.clone());
        Self { variables: told.variables, authority, address }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Spin(None) => write!(f, "not run: {} (not on PATH, SPIN not set)", self.name),
            Kind::Running(servers) => {
                let authorities: Vec<_> = servers.iter().map(|server| &*server.authority).collect();
                write!(f, "contract on {}: {}", self.name, authorities.join(", "))
            }
            Kind::Embedded(file) | Kind::Spin(Some(file)) => write!(f, "contract on {}: {}", self.name, file.display()),
        }
    }
}
