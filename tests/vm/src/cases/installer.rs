//! The installer, on a node on which systemd runs containerd: what a person types, and what is true after it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use test_support::wait::{Patience, find_despite_errors};

use super::application;
use crate::{
    cri::PATIENCE,
    images::HTTPSERVER,
    node::{Driver, Node},
    pod::{Container, Pod},
};

/// The installer. The shim is next to it.
const INSTALLER: &str = "/usr/local/libexec/httpserver-shim-installer";

/// The handler that it adds, and where it puts the shim.
const HANDLER: &str = "spin";
const SHIM: &str = "/usr/local/bin/containerd-shim-wasmtime-spin-v1";

/// Where the shim keeps compiled code.
const CACHE: &str = "/var/cache/httpserver-shim";

/// A node gets the shim and loses it. What another handler runs meanwhile goes on.
pub fn adds_and_removes(node: &Node) -> Result<()> {
    let start = Instant::now();
    let other = node.own_pod()?.run(Container::of_component(HTTPSERVER, node.port()))?;
    application::healthy(node)?;
    let (process, before) = (other.pid()?, files()?);
    without_handler(node)?;

    let plan = installer(&["--install"])?;
    ensure!(plan.contains("would add the handler") && files()? == before, "the plan alone: {plan}");
    let said = installer(&["--install", "--yes"])?;
    ensure!(said.contains("type `systemctl restart containerd`"), "{said}");
    let restart = restart_containerd(node)?;
    let again = installer(&["--install"])?;
    ensure!(again == "nothing to do\n", "a second time: {again}");
    with_handler(node).context("with the handler")?;

    installer(&["--uninstall", "--yes"])?;
    restart_containerd(node)?;
    without_handler(node)?;
    let after = files()?;
    ensure!(after == before, "{after:?} is left of {before:?}");
    ensure!(!Path::new(CACHE).exists(), "{CACHE} is left");
    let left = processes()?;
    ensure!(left.is_empty(), "{left:?} run {SHIM}");
    application::healthy(node).context("the container of another handler")?;
    ensure!(other.pid()? == process, "the container of another handler is another process");
    println!("installer: containerd was back after {restart:.1?}, all of it took {:.1?}", start.elapsed());
    other.stop(application::GRACE).map(drop)
}

/// A pod under the handler serves, by the shim that was installed.
fn with_handler(node: &Node) -> Result<()> {
    let handlers = node.cri.handlers()?;
    ensure!(handlers.iter().any(|name| name == HANDLER), "{handlers:?}");
    let pod = pod(node)?;
    let port = node.port() + 1;
    let container = pod.run(Container::of_component(HTTPSERVER, port))?;
    application::healthy_at(port)?;
    let program = fs::read_link(format!("/proc/{}/exe", container.pid()?))?;
    ensure!(program == Path::new(SHIM), "it is {}", program.display());
    let (is, wanted) = (container.cgroup()?, pod.cgroup_of(&container));
    ensure!(is == wanted, "its cgroup is {is}, expected {wanted}");
    let end = container.stop(application::GRACE)?;
    ensure!(end.code == 0, "{end:?}");
    pod.remove()
}

/// containerd does not know the handler.
fn without_handler(node: &Node) -> Result<()> {
    let handlers = node.cri.handlers()?;
    ensure!(!handlers.iter().any(|name| name == HANDLER), "{handlers:?}");
    let Err(refused) = pod(node) else { bail!("a pod started under the handler {HANDLER}") };
    ensure!(format!("{refused:#}").contains("no runtime for \"spin\""), "{refused:#}");
    Ok(())
}

fn pod(node: &Node) -> Result<Pod> {
    // On this node systemd makes control groups, as the section of runc says, from which the installer takes it over.
    Pod::start_as(&node.cri, HANDLER.to_owned(), Driver::Systemd, "installed".to_owned(), |_| ())
}

/// The files of the folders that the installer writes to, with the content of those of containerd's configuration.
fn files() -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir("/etc/containerd")? {
        let path = entry?.path();
        files.insert(path.clone(), fs::read(path)?);
    }
    for entry in fs::read_dir("/usr/local/bin")? {
        files.insert(entry?.path(), Vec::new());
    }
    Ok(files)
}

/// The processes of the shim that was installed, also if its file is not there any more.
fn processes() -> Result<Vec<PathBuf>> {
    let folders = fs::read_dir("/proc")?.filter_map(|entry| Some(entry.ok()?.path()));
    let installed = |folder: &PathBuf| {
        fs::read_link(folder.join("exe")).is_ok_and(|program| program.to_string_lossy().starts_with(SHIM))
    };
    Ok(folders.filter(installed).collect())
}

/// How long containerd is away.
fn restart_containerd(node: &Node) -> Result<Duration> {
    let start = Instant::now();
    run("systemctl", &["restart", "containerd"])?;
    let patience = Patience { limit: PATIENCE, ..Patience::DAEMON };
    find_despite_errors("containerd responds", patience, || node.cri.handlers().map(Some))?;
    Ok(start.elapsed())
}

fn installer(arguments: &[&str]) -> Result<String> {
    run(INSTALLER, arguments)
}

/// What the program prints.
fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
