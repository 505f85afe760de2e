//! The servers under test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fmt};

use test_support::{App, Launch, Server, artifacts};

use crate::case::{Case, Variables};

/// Names a server that runs already, with the default variables.
pub const URL: &str = "HTTPSERVER_URL";

/// What serves the application in a test.
pub struct Target {
    pub(crate) name: String,
    kind: Kind,
}

enum Kind {
    /// The runtime with the component in that file.
    Runtime(PathBuf),
    /// Spin at that path, if there is one.
    Spin(Option<PathBuf>),
    /// Servers that run already.
    Remote(Vec<RemoteServer>),
    /// Servers of our runtime that run already, on this machine.
    Near(Vec<Arc<NearServer>>),
}

/// A server that runs already: where it is, and what it was started with.
#[derive(Clone, Debug)]
pub struct RemoteServer {
    /// The variables that have other values than the defaults.
    pub variables: Variables,
    /// The header `host` of the requests: `HOST[:PORT]`.
    pub authority: String,
    /// Where to connect: `HOST:PORT`.
    pub address: String,
}

/// A server that runs already, on this machine: with nothing in front of it, and with a log that can be read.
pub struct NearServer {
    /// The variables that have other values than the defaults.
    pub variables: Variables,
    /// Where it listens.
    pub address: SocketAddr,
    /// Reads the lines that it has printed so far.
    pub log: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// Why a case does not run on a target.
pub(crate) enum Skip {
    /// No server is there for it.
    NoServer(String),
    /// The table says why it cannot run there.
    Excluded(String),
}

impl Target {
    /// The runtime with the component in that file; it starts when a case needs it.
    pub fn runtime(name: &str, component: PathBuf) -> Self {
        Self { name: name.to_owned(), kind: Kind::Runtime(component) }
    }

    /// Real Spin: what `SPIN` names, else `spin` on the path. Where there is none, no case runs.
    pub fn spin() -> Self {
        let named = env::var_os("SPIN").map(PathBuf::from);
        let path = env::var_os("PATH").unwrap_or_default();
        let found = || env::split_paths(&path).map(|folder| folder.join("spin")).find(|file| file.is_file());
        Self { name: "spin".to_owned(), kind: Kind::Spin(named.or_else(found)) }
    }

    /// Another program that behaves as Spin does.
    pub fn stand_in_for_spin(program: PathBuf) -> Self {
        Self { name: "stand-in for spin".to_owned(), kind: Kind::Spin(Some(program)) }
    }

    /// Servers that run already; a case that needs variables that none of them has does not run.
    pub fn remote(name: &str, servers: Vec<RemoteServer>) -> Self {
        Self { name: name.to_owned(), kind: Kind::Remote(servers) }
    }

    /// The same for servers of our runtime on this machine, of which everything is expected that is expected of one that starts here.
    pub fn near(name: &str, servers: Vec<NearServer>) -> Self {
        Self { name: name.to_owned(), kind: Kind::Near(servers.into_iter().map(Arc::new).collect()) }
    }

    /// The name by which the table declares differences.
    pub(crate) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Runtime(_) | Kind::Near(_) => "runtime",
            Kind::Spin(_) => "spin",
            Kind::Remote(_) => "proxy",
        }
    }

    /// Why the case does not run here, if it does not.
    pub(crate) fn skip_reason(&self, case: &Case) -> Option<Skip> {
        let has_server = match &self.kind {
            Kind::Spin(None) => return Some(Skip::NoServer("spin is not on PATH, SPIN is not set".to_owned())),
            Kind::Runtime(_) | Kind::Spin(Some(_)) => true,
            Kind::Remote(servers) => servers.iter().any(|server| server.variables == case.variables),
            Kind::Near(servers) => servers.iter().any(|server| server.variables == case.variables),
        };
        if !has_server {
            return Some(Skip::NoServer(format!("needs a server with the variables {:?}", case.variables)));
        }
        case.excluded_on(self.kind()).map(|reason| Skip::Excluded(reason.to_owned()))
    }

    /// Starts a server with these variables, or finds it.
    pub(crate) fn start(&self, variables: &Variables) -> Started {
        const NONE: &str = "a case without a server does not run";
        let app = match &self.kind {
            Kind::Remote(servers) => {
                let server = servers.iter().find(|server| server.variables == *variables);
                return Started::Remote(server.expect(NONE).clone());
            }
            Kind::Near(servers) => {
                let server = servers.iter().find(|server| server.variables == *variables);
                return Started::Near(Arc::clone(server.expect(NONE)));
            }
            Kind::Runtime(component) => App::httpserver(component),
            Kind::Spin(program) => {
                let program = program.clone().expect(NONE);
                App::httpserver(&artifacts::component()).launch(Launch::Spin(program))
            }
        };
        let variable = |app: App, (name, value)| app.arg("--variable").arg(format!("{name}={value}"));
        Started::Local(variables.iter().fold(app, variable).start())
    }
}

/// A server that accepts requests.
pub(crate) enum Started {
    /// Our own process: we see what it logs.
    Local(Server),
    /// A server that ran already: we see its responses only.
    Remote(RemoteServer),
    /// A server that ran already, on this machine: we see what it logs.
    Near(Arc<NearServer>),
}

impl RemoteServer {
    /// A server with the default variables.
    ///
    /// # Errors
    /// If `url` has another form than `http://HOST[:PORT]`.
    pub fn from_url(url: &str) -> Result<Self, String> {
        let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let authority = authority.filter(|rest| !rest.is_empty() && !rest.contains('/'));
        // The paths are in the table.
        let authority =
            authority.ok_or_else(|| format!("invalid URL {url:?}: expected http://HOST[:PORT] without a path"))?;
        let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { variables: Variables::new(), authority: authority.to_owned(), address })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Spin(None) => write!(f, "not run: {} (not on PATH, SPIN not set)", self.name),
            Kind::Remote(servers) => {
                let authorities: Vec<_> = servers.iter().map(|server| &*server.authority).collect();
                write!(f, "contract on {}: {}", self.name, authorities.join(", "))
            }
            Kind::Near(servers) => write!(f, "contract on {}: {} servers", self.name, servers.len()),
            Kind::Runtime(file) | Kind::Spin(Some(file)) => write!(f, "contract on {}: {}", self.name, file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_port_means_port_80() {
        let server = RemoteServer::from_url("http://httpserver.localhost/").unwrap();
        assert_eq!((&*server.authority, &*server.address), ("httpserver.localhost", "httpserver.localhost:80"));
        assert_eq!(RemoteServer::from_url("http://127.0.0.1:3000").unwrap().address, "127.0.0.1:3000");
    }

    #[test]
    fn a_url_with_another_scheme_or_a_path_is_an_error() {
        for url in ["https://localhost", "localhost:3000", "http://localhost/path", "http://"] {
            assert!(RemoteServer::from_url(url).unwrap_err().contains("expected http://HOST[:PORT]"), "{url}");
        }
    }
}
