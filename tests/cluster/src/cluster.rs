//! The running cluster: start, find, use, break, end.

mod start;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::command::{bound, output, output_with};
use crate::layout::{self, State};
use crate::machine::Machine;
use crate::process::Process;
use crate::wait::{self, PATIENCE};
use crate::{Daemon, Tools, address, network, remove, status};

/// How many lines of a log [`Cluster::report`] shows.
const TAIL: usize = 30;

/// What a cluster is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes: 1 to [`crate::MAX_NODES`].
    pub nodes: u8,
    /// The programs, from [`crate::prepare`].
    pub tools: Tools,
}

/// A running cluster. It stays when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    state: State,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number, from 1.
    pub number: u8,
    /// Its name: `node1` …
    pub name: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// The id of its first process, as this machine counts; `None` while the node is down.
    pub init: Option<u32>,
}

impl Node {
    /// Where the files are that only this node has: `etc/containerd/config.toml`, `usr/local/bin`, `var`. They stay while
    /// the node is down.
    pub fn folder(&self) -> PathBuf {
        layout::machine(&self.name)
    }

    /// The node's root folder, as seen from this machine; `None` while the node is down.
    pub fn root(&self) -> Option<PathBuf> {
        self.init.map(|pid| PathBuf::from(format!("/proc/{pid}/root")))
    }
}

impl Cluster {
    /// Starts a cluster, after having removed what a killed `up` has left. Returns when every node is ready and the
    /// add-ons are applied.
    ///
    /// # Errors
    /// If a cluster is running already, its addresses are in use, or a daemon does not start.
    pub fn up(options: &Options) -> Result<Self> {
        start::up(options)
    }

    /// The cluster that is running on this machine.
    ///
    /// # Errors
    /// If there is none.
    pub fn attach() -> Result<Self> {
        match State::read() {
            Some(state) if state.complete => Ok(Self { state }),
            _ => bail!("no cluster is running; start one with `cargo xtask cluster up`"),
        }
    }

    /// Whether a cluster is complete and its control plane runs. What a killed process has left is not a running cluster.
    #[must_use]
    pub fn is_running() -> bool {
        Self::attach().is_ok() && Machine::find("control").is_some()
    }

    /// Ends and removes everything of the cluster, also what a crash has left of it.
    ///
    /// # Errors
    /// If something resists; what could be removed is gone.
    pub fn down() -> Result<()> {
        let _lock = layout::lock()?;
        remove::everything()
    }

    /// The nodes.
    pub fn nodes(&self) -> Vec<Node> {
        let node = |number| {
            let name = format!("node{number}");
            let init = Machine::find(&name).map(|machine| machine.init.pid);
            Node { number, name, ip: address::node(number), init }
        };
        (1..=self.state.nodes).map(node).collect()
    }

    /// The configuration file for clients, with all rights.
    pub fn kubeconfig(&self) -> PathBuf {
        layout::pki("admin", "kubeconfig")
    }

    /// A `kubectl` for this cluster, yet to be run.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(self.tool("kubectl"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// The same for us to wait for.
    fn bound_kubectl(&self) -> Command {
        let mut command = bound(&self.tool("kubectl"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// The path of one of the cluster's programs: `ctr`, `etcd` …
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.state.tools.file(name)
    }

    /// What `kubectl ARGUMENTS` prints.
    ///
    /// # Errors
    /// If it fails: with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        output(self.bound_kubectl().args(arguments))
    }

    /// Applies manifests, by server-side apply; fields that others have changed (`kubectl scale`) become ours again.
    ///
    /// # Errors
    /// If the API server refuses something.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        output_with(self.bound_kubectl().args(["apply", "--server-side", "--force-conflicts", "--filename=-"]), yaml)?;
        Ok(())
    }

    /// Imports an image, an OCI archive, on every node that is up.
    ///
    /// # Errors
    /// If containerd refuses it.
    pub fn import_image(&self, archive: &Path) -> Result<()> {
        let state = &self.state;
        thread::scope(|scope| {
            let up = self.nodes().into_iter().filter(|node| node.init.is_some());
            let imports: Vec<_> =
                up.map(|node| scope.spawn(move || Self::import(node.number, state, archive))).collect();
            imports.into_iter().try_for_each(|import| import.join().expect("an import does not panic"))
        })
    }

    pub(crate) fn import(number: u8, state: &State, archive: &Path) -> Result<()> {
        let mut ctr = ctr(number, state)?;
        // `--local` reads the archive here; without it all goes through one stream, for twice the time.
        ctr.args(["--namespace=k8s.io", "images", "import", "--local"]).arg(archive);
        output(&mut ctr).with_context(|| format!("cannot import {} on node{number}", archive.display()))?;
        Ok(())
    }

    /// Gives the shim at `binary` to the containerd of each node, as `cargo xtask shim --install` does, and lets it read its
    /// configuration again.
    ///
    /// # Errors
    /// If a node's files cannot be changed, or its containerd does not start again.
    pub fn install_shim(&self, binary: &Path) -> Result<()> {
        for node in self.nodes() {
            httpserver_shim_installer::Node::in_dir(&node.folder(), None).install(binary)?.run()?;
            self.restart(Daemon::Containerd(node.number))?;
        }
        Ok(())
    }

    /// Restarts one daemon as a service manager would: SIGTERM to it alone, then the same again. The pods of a
    /// containerd or kubelet go on. Returns when it answers again.
    ///
    /// # Errors
    /// If it does not end or does not start.
    pub fn restart(&self, daemon: Daemon) -> Result<()> {
        let process = self.process(daemon).with_context(|| format!("{} was never started", daemon.name()))?;
        process.end(Signal::TERM, PATIENCE)?;
        start::daemon(daemon, &self.state)?;
        self.wait_ready(daemon)
    }

    /// Sends `signal` to one daemon alone.
    ///
    /// # Errors
    /// If it is not running.
    pub fn signal(&self, daemon: Daemon, signal: Signal) -> Result<()> {
        let running = self.process(daemon).filter(|process| process.is_running());
        running.with_context(|| format!("{} is not running", daemon.name()))?.signal(signal);
        Ok(())
    }

    fn process(&self, daemon: Daemon) -> Option<Process> {
        Process::read(&layout::pid(&daemon.name()))
    }

    /// Takes power and network from node `number`: every process is killed at once, and the API server is not told.
    ///
    /// # Errors
    /// If the node is not up.
    pub fn kill_node(&self, number: u8) -> Result<()> {
        let node = Machine::find(&format!("node{number}")).with_context(|| format!("node{number} is not up"))?;
        network::unplug(Machine::find("control").context("the control plane is not up")?, number)?;
        node.kill()
    }

    /// Starts node `number` again after [`Self::kill_node`], with its disk as it was. Returns when the kubelet answers.
    ///
    /// # Errors
    /// If the node is up, or does not start.
    pub fn start_node(&self, number: u8) -> Result<()> {
        ensure!(Machine::find(&format!("node{number}")).is_none(), "node{number} is up already");
        start::node(number, &self.state)?;
        self.wait_ready(Daemon::Kubelet(number))
    }

    /// Waits until `daemon` does its work.
    fn wait_ready(&self, daemon: Daemon) -> Result<()> {
        let ready = || {
            ensure!(
                self.process(daemon).is_some_and(Process::is_running),
                "{} ended at once:\n{}",
                daemon.name(),
                self.logs_tail(daemon)
            );
            Ok(match daemon {
                Daemon::Etcd | Daemon::ApiServer => self.kubectl(&["get", "--raw=/readyz"]).is_ok(),
                Daemon::Containerd(number) => start::containerd_answers(number, &self.state),
                Daemon::Kubelet(number) => {
                    let health = format!("/api/v1/nodes/node{number}/proxy/healthz");
                    self.kubectl(&["get", "--raw", &health]).is_ok()
                }
                _ => true,
            })
        };
        wait::until(&format!("{} answers", daemon.name()), PATIENCE, ready)
    }

    /// A daemon's log.
    ///
    /// # Errors
    /// If it was never started.
    pub fn log(&self, daemon: Daemon) -> Result<String> {
        let file = layout::log(&daemon.name());
        let log = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// The end of a daemon's log.
    pub fn logs_tail(&self, daemon: Daemon) -> String {
        tail(&self.log(daemon).unwrap_or_default(), TAIL)
    }

    /// The ends of all logs, for a test that failed.
    pub fn report(&self) -> String {
        let part = |daemon: Daemon| {
            let file = layout::log(&daemon.name());
            format!("== {}\n{}\n", file.display(), self.logs_tail(daemon))
        };
        Daemon::all(self.state.nodes).into_iter().map(part).collect()
    }

    /// What runs, and how to use it, for people.
    ///
    /// # Errors
    /// If the text cannot be written to memory.
    pub fn status(&self) -> Result<String> {
        status::status(self)
    }

    /// How to use the cluster, for people.
    pub fn usage(&self) -> String {
        status::usage(self)
    }
}

/// containerd's own client, for the containerd of node `number`; seen from here its socket is within the node's first process.
fn ctr(number: u8, state: &State) -> Result<Command> {
    let name = format!("node{number}");
    let machine = Machine::find(&name).with_context(|| format!("{name} is not up"))?;
    let mut ctr = bound(&state.tools.file("ctr"));
    ctr.arg(format!("--address=/proc/{}/root/run/containerd/containerd.sock", machine.init.pid));
    Ok(ctr)
}

/// The last `count` lines.
fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_the_last_lines() {
        assert_eq!(tail("1\n2\n3\n", 2), "2\n3");
        assert_eq!(tail("1\n", 2), "1");
    }
}
