//! The programs of a node without a cluster, which is an emulated machine and may have another processor: containerd, and what keeps
//! a pod's namespaces open.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xtask_runner::Runner;

use super::module::{MODULES, Module};
use super::{KUBERNETES, Tools, go, go_build, locked, pause, unfinished, write};

/// The programs in `cache` for `architecture`, as Go calls it. If they are missing, they are built first, C code by `gcc`.
///
/// # Errors
/// If Go is missing or too old, or a build fails.
pub fn build(cache: &Path, architecture: &str, gcc: &str, runner: &mut Runner) -> Result<Tools> {
    let _lock = locked(cache)?;
    let folder = folder(cache, architecture);
    if !folder.is_dir() {
        make(&folder, architecture, gcc, runner)?;
    }
    Ok(tools(folder))
}

/// The programs in `cache`.
///
/// # Errors
/// If they are missing.
pub fn built(cache: &Path, architecture: &str) -> Result<Tools> {
    let folder = folder(cache, architecture);
    ensure!(folder.is_dir(), "there is no containerd for {architecture}: {} is missing", folder.display());
    Ok(tools(folder))
}

/// Builds in a temporary folder and renames it to `folder`, so that `folder` is always complete.
fn make(folder: &Path, architecture: &str, gcc: &str, runner: &mut Runner) -> Result<()> {
    let unfinished = unfinished(folder)?;
    let [containerd, kubernetes] = ["containerd", "kubernetes"].map(module);
    let sources = unfinished.join("sources");
    let source = sources.join(containerd.name);
    write(containerd, &source)?;
    let what = format!("building {} {} for {architecture}", containerd.name, containerd.version());
    let mut build = go_build(containerd, &source, &unfinished);
    runner.run(&what, &format!("once, {}", containerd.takes), build.env("GOARCH", architecture))?;
    let source = sources.join(kubernetes.name);
    write(kubernetes, &source)?;
    let mut download = go(&source);
    runner.run("downloading the source of pause", "", download.args(["mod", "download", KUBERNETES]))?;
    pause(gcc, &source, &unfinished, runner)?;
    fs::remove_dir_all(&sources)?;
    fs::rename(&unfinished, folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn folder(cache: &Path, architecture: &str) -> PathBuf {
    cache.join(format!("node-{}-{}-{architecture}", module("containerd").key(), module("kubernetes").key()))
}

fn tools(folder: PathBuf) -> Tools {
    Tools { folders: BTreeMap::from([("node".to_owned(), folder)]) }
}

fn module(name: &str) -> &'static Module {
    MODULES.iter().find(|module| module.name == name).expect("the table has this module")
}
