//! A containerd loses the shim and gets it again, by what a person would type.

use std::env::{join_paths, split_paths, var_os};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use test_cluster::{Component, RUN};
use test_support::artifacts;

use crate::disruptions::while_drained;
use crate::pod::{Pod, ask};
use crate::testbed::{IMAGE, Testbed};

const NODE: u8 = 3;

/// What runs in namespaces of its own, and how long it may take: seconds, of which it needs one.
const CONTAINERD_1_7: &str = include_str!("install/containerd-1.7.sh");
const PATIENCE: &str = "60";

/// `cargo xtask e2e` has installed the shim on the running containerd of every node; here it is undone and done again.
pub fn uninstalled_and_again(testbed: &Testbed) -> Result<String> {
    let folder = testbed.node(NODE).folder();
    let config = folder.join("etc/containerd/config.toml");
    let installed = fs::read_to_string(&config)?;
    let pod = Pod::of_component("newcomer", IMAGE).on(&testbed.node(NODE).name);
    let mut refused = String::new();
    let served = while_drained(testbed, NODE, || {
        shim(&folder, &["--uninstall"])?;
        testbed.cluster.restart(Component::Containerd(NODE))?;
        let without = fs::read_to_string(&config)?;
        ensure!(installed.contains("runtimes.spin") && !without.contains("spin"), "{without}");
        testbed.cluster.apply(&pod.to_string())?;
        refused = pod.event(testbed, "no runtime for")?;
        shim(&folder, &["--install"])?;
        testbed.cluster.restart(Component::Containerd(NODE))?;
        ensure!(fs::read_to_string(&config)? == installed, "not what it was");
        pod.while_ready(testbed, |state| {
            let status = ask(testbed, state, "/healthz")?;
            ensure!(status == 200, "status {status}");
            Ok(())
        })
    });
    // It is there yet where something failed before it was ready.
    pod.delete(testbed)?;
    Ok(format!("{}; without it: {refused}", served?))
}

/// The containerd of before, which Kubernetes 1.36 does not work with any more: by itself, with a configuration that is all ours.
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
        PATIENCE,
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
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let version = Command::new(containerd).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.split_whitespace().nth(2).context("containerd has a version")?;
    shim(root.path(), &["--uninstall"])?;
    ensure!(fs::read_dir(root.path().join("etc/containerd"))?.next().is_none(), "the configuration is still there");
    Ok(format!("{version}: {}", said.trim()))
}

/// `cargo xtask shim ARGUMENTS`, for the node whose files are under `root`.
fn shim(root: &Path, arguments: &[&str]) -> Result<()> {
    let output = artifacts::xtask().arg("shim").args(arguments).args(["--yes", "--root"]).arg(root).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
