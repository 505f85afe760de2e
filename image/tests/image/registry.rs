//! A container registry: a process on a free port that accepts one user.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use test_support::{Output, artifacts};

pub const USER: &str = "publisher";
pub const PASSWORD: &str = "secret";

/// [`PASSWORD`] hashed by bcrypt, at its lowest cost.
const HASH: &str = "$2b$04$tudl.N2PDqfyYv3teUieR.ZdJvQlR9j/o8sJUHFlysRZqSszZbFma";

/// A running registry. Dropping it ends the process and removes what it stored.
pub struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    _folder: TempDir,
}

impl Registry {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().display();
        let configuration = format!(
            "version: 0.1
storage: {{filesystem: {{rootdirectory: {path}/storage}}}}
http: {{addr: '127.0.0.1:0'}}
auth: {{htpasswd: {{realm: test, path: {path}/htpasswd}}}}
"
        );
        fs::write(folder.path().join("config.yml"), configuration).expect("a temporary folder takes files");
        fs::write(folder.path().join("htpasswd"), format!("{USER}:{HASH}\n")).expect("a temporary folder takes files");
        let mut command = Command::new(artifacts::tool("docker-registry"));
        command.arg("serve").arg(folder.path().join("config.yml")).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the registry starts");
        let log = Output::collect(child.stderr.take().expect("piped"));
        // The handle exists before the wait, so that a failed start ends the process.
        let mut registry = Self { child, address: String::new(), _folder: folder };
        let line = log.line_with("listening on ");
        let (_, address) = line.split_once("listening on ").expect("the line has it");
        registry.address = address.split(['"', ' ', ',']).next().expect("a first part").to_owned();
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail if the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
