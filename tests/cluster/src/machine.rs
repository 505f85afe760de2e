//! A machine of the cluster: a set of namespaces with a first process. When that ends, the kernel ends all others in it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::layout;
use crate::process::{self, Process};
use crate::tools::Tools;
use crate::wait::PATIENCE;

/// The first process: mounts, then only reaps.
const INIT: &str = include_str!("machine/init.sh");

/// Starts its first argument in the background and prints the id: the shell then ends, so that the new process is a child of
/// the machine's first process, which outlives us and reaps it.
const START: &str = r#""$@" >&2 & echo $!"#;

/// The namespaces of a running machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Its first process.
    pub init: Process,
}

impl Machine {
    /// The running machine `name`, if it is.
    pub fn find(name: &str) -> Option<Self> {
        let init = Process::read(&layout::pid(name))?;
        init.is_running().then_some(Self { init })
    }

    /// Starts the machine `name`. `connect` gives it its network, before anything in it runs.
    pub fn start(name: &str, tools: &Tools, keep: &[&Path], connect: impl FnOnce(Self) -> Result<()>) -> Result<Self> {
        let folder = layout::machine(name);
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--uts", "--ipc", "--net", "--propagation", "private", "--", "sh", "-c"]);
        // The shell itself is not in the new pid namespace, its first child is. Not `unshare --fork`: that would stay.
        command.args([r#"exec 3<&0; "$@" <&3 3<&- & echo $!"#, "sh", "bash", "-c", INIT, "init", name]);
        command.arg(&folder).args(keep.iter().filter(|path| path.starts_with("/var")));
        command.env_clear().env("PATH", tools.path(None));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log(name)?);
        let mut child = command.spawn().context("cannot run `unshare`")?;
        let mut go = child.stdin.take().expect("its standard input is a pipe");
        let mut said = BufReader::new(child.stdout.take().expect("its standard output is a pipe")).lines();
        let broken = || format!("cannot start {name}: see {}", layout::log(name).display());
        let pid = said.next().with_context(broken)??;
        child.wait()?;
        let machine = Self { init: pid.parse().ok().and_then(Process::from_id).with_context(broken)? };
        machine.init.write(&layout::pid(name))?;
        connect(machine).with_context(|| format!("cannot connect {name} to the network"))?;
        // Only now: if we are killed before this, the pipe closes and the first process ends.
        go.write_all(b"\n").with_context(broken)?;
        ensure!(said.next().transpose()?.as_deref() == Some("ready"), "{}", broken());
        Ok(machine)
    }

    /// A command that will run in this machine's network, with this machine's own files.
    pub fn in_network(self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.init.pid)).args(["--", program]);
        command
    }

    /// A command that will run in all namespaces of this machine.
    pub fn inside(self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.init.pid.to_string(),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--",
            program,
        ]);
        command
    }

    /// Starts a program that stays, and notes its id; what it prints goes to its log.
    pub fn spawn(self, name: &str, command: &[String], path: &std::ffi::OsStr) -> Result<Process> {
        let mut shell = self.inside("sh");
        shell.args(["-c", START, "sh"]).args(command).env_clear().env("PATH", path);
        shell.stdin(Stdio::null()).stderr(log(name)?);
        let output = shell.output().context("cannot run `nsenter`")?;
        let failed = || format!("cannot start {name}: see {}", layout::log(name).display());
        let inner = String::from_utf8_lossy(&output.stdout).trim().parse().with_context(failed)?;
        let process = process::in_namespace(self.init, inner).with_context(failed)?;
        process.write(&layout::pid(name))?;
        Ok(process)
    }

    /// Kills every process in it, and so unmounts and removes everything in it. The kernel lets the first process end
    /// last.
    pub fn kill(self) -> Result<()> {
        self.init.end(Signal::KILL, PATIENCE)
    }
}

/// The log of `name`, to be appended to: a restart does not lose what was before.
fn log(name: &str) -> Result<File> {
    let file = layout::log(name);
    File::options().create(true).append(true).open(&file).with_context(|| format!("cannot write {}", file.display()))
}
