//! The shim is uninstalled from a containerd and installed again, by the commands that a person types.

use std::env::{join_paths, split_paths, var_os};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use test_cluster::{Daemon, RUN};
use test_support::artifacts;

use crate::disruptions::while_drained;
use crate::load::NoFailures;
use crate::pod::{Pod, get_status};
use crate::testbed::{IMAGE, Testbed};

/// The node without the shim.
const NODE: u8 = 3;

/// Runs a containerd and a container; it is started in namespaces of its own.
const CONTAINERD_1_7: &str = include_str!("install/containerd-1.7.sh");

/// How long that may take, seconds; it needs one.
const TIMEOUT: &str = "60";

/// `cargo xtask e2e` has installed the shim on the running containerd of every node; here it is undone and done again.
pub fn uninstall_and_install(testbed: &Testbed) -> Result<NoFailures> {
    let folder = testbed.node(NODE).folder();
    let config = folder.join("etc/containerd/config.toml");
    let installed = fs::read_to_string(&config)?;
    let pod = Pod::for_component("newcomer", IMAGE).on(&testbed.node(NODE).name);
    let mut refused = String::new();
    let outcome = while_drained(testbed, NODE, || {
        shim(&folder, &["--uninstall"])?;
        testbed.cluster.restart(Daemon::Containerd(NODE))?;
        let without = fs::read_to_string(&config)?;
        ensure!(installed.contains("runtimes.spin") && !without.contains("spin"), "{without}");
        testbed.cluster.apply(&pod.to_string())?;
        refused = pod.event(testbed, "no runtime for")?;
        shim(&folder, &["--install"])?;
        testbed.cluster.restart(Daemon::Containerd(NODE))?;
        ensure!(fs::read_to_string(&config)? == installed, "the configuration is not as it was before");
        pod.while_ready(testbed, |state| {
            let status = get_status(testbed, state, "/healthz")?;
            ensure!(status == 200, "status {status}");
            Ok(())
        })
    });
    // Where something failed before the pod was ready, it is still there.
    pod.delete(testbed)?;
    Ok(outcome?.and(format!("without the shim: {refused}")))
}

/// The containerd with which Kubernetes from 1.36 on does not work: it runs by itself, with a configuration of ours only.
pub fn on_containerd_1_7(testbed: &Testbed) -> Result<String> {
    let root = tempfile::tempdir_in(RUN)?;
    shim(root.path(), &["--install", "--containerd=1.7"])?;
    let containerd = testbed.cluster.tool("containerd-1.7");
    let ctr = testbed.cluster.tool("ctr").parent().context("a program is in a folder")?.to_owned();
    let path = var_os("PATH").context("there is a PATH")?;
    let path = join_paths([root.path().join("usr/local/bin"), ctr].into_iter().chain(split_paths(&path)))?;
    let mut alone = Command::new("timeout");
    alone.args([
        "--signal=KILL",
        TIMEOUT,
        "unshare",
        "--mount",
        "--pid",
        "--net",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    alone.args(["bash", "-c", CONTAINERD_1_7, "containerd-1.7.sh"]).arg(root.path());
    alone.arg(&containerd).arg(artifacts::image_archive()).arg(IMAGE).arg(artifacts::tool("busybox"));
    let output = alone.env("PATH", path).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let version = Command::new(containerd).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.split_whitespace().nth(2).context("containerd has a version")?;
    shim(root.path(), &["--uninstall"])?;
    ensure!(fs::read_dir(root.path().join("etc/containerd"))?.next().is_none(), "the configuration is still there");
    Ok(format!("{version}: {}", printed.trim()))
}

/// `cargo xtask shim ARGUMENTS`, for the node whose files are under `root`.
fn shim(root: &Path, arguments: &[&str]) -> Result<()> {
    let output = artifacts::xtask().arg("shim").args(arguments).args(["--yes", "--root"]).arg(root).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
