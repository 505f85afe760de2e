//! A containerd that ends and comes back, with a folder and a socket of its own: so it disturbs no other case.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use test_cluster::wait::find;
use test_support::wait::{Patience, find_despite_errors};

use super::application;
use crate::{
    cri::{Cri, PATIENCE},
    images::{self, APPLICATION},
    node::Node,
    pod::{Container, Pod},
};

/// The configuration of the machine's containerd.
const CONFIGURATION: &str = "/usr/local/etc/containerd.toml";

/// Containers go on while containerd is away, and belong to it when it is back.
pub fn killed(node: &Node) -> Result<()> {
    let mut containerd = Containerd::start(node)?;
    images::import(&containerd.socket())?;
    let cri = containerd.cri()?;
    let name = format!("{}-case{}", node.handler, node.number);
    let pod = Pod::start(&cri, node.handler, &name)?;
    let container = pod.run(Container::of_component(APPLICATION, node.port()))?;
    application::healthy(node)?;
    let pid = container.pid()?;

    containerd.kill()?;
    application::healthy(node).context("without containerd")?;
    containerd.run()?;
    let cri = containerd.cri()?;
    let patience = Patience { limit: PATIENCE, ..Patience::DAEMON };
    let container = find_despite_errors("containerd knows the container", patience, || {
        let container = container.seen_by(&cri);
        ensure!(container.pid()? == pid, "it is another process");
        Ok(Some(container))
    })?;
    application::healthy(node).context("after that")?;
    let end = container.stop(application::GRACE)?;
    ensure!(end.code == 0, "{end:?}");
    pod.seen_by(&cri).remove()
}

struct Containerd {
    folder: String,
    number: u16,
    process: Child,
}

impl Containerd {
    fn start(node: &Node) -> Result<Self> {
        let folder = format!("/run/containerd{}", node.number);
        fs::create_dir(&folder)?;
        let own = format!(
            "root = \"/var/lib/containerd{0}\"\nstate = \"{folder}/state\"\n[grpc]\naddress = \"{folder}/socket\"\n",
            node.number
        );
        let configuration = fs::read_to_string(CONFIGURATION)?;
        let (version, rest) = configuration.split_once("version = 3\n").context("the version comes first")?;
        fs::write(format!("{folder}/config.toml"), format!("{version}version = 3\n{own}{rest}"))?;
        fs::create_dir(group(node.number))?;
        let process = spawn(&folder, node.number)?;
        let containerd = Self { folder, number: node.number, process };
        containerd.wait()?;
        Ok(containerd)
    }

    fn socket(&self) -> String {
        format!("{}/socket", self.folder)
    }

    fn cri(&self) -> Result<Arc<Cri>> {
        Ok(Arc::new(Cri::connect(&self.socket())?))
    }

    fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        self.process = spawn(&self.folder, self.number)?;
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        find("containerd responds", PATIENCE, || {
            let output = Command::new("ctr").args(["--address", &self.socket(), "version"]).output()?;
            Ok(output.status.success().then_some(()))
        })
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.kill();
    }
}

/// The control group of such a containerd and its shims, which would otherwise belong to the cases' own service: systemd would wait
/// for their end.
fn group(number: u16) -> String {
    format!("/sys/fs/cgroup/containerd{number}")
}

fn spawn(folder: &str, number: u16) -> Result<Child> {
    let mut containerd = Command::new("containerd");
    containerd
        .args(["--config", &format!("{folder}/config.toml")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = containerd.spawn().context("cannot run containerd")?;
    fs::write(format!("{}/cgroup.procs", group(number)), process.id().to_string())?;
    Ok(process)
}
