//! Debian's packages for other processors: unpacked into the user's cache folder, and not installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask_runner::{Runner, cache};

use super::lists::Lists;
use crate::toolchain::architecture::Architecture;
use crate::workspace;

/// The folder with the files of `package`, which is unpacked first if need be.
pub fn unpacked(runner: &mut Runner, package: &str, architecture: Architecture) -> Result<PathBuf> {
    let name = format!("{package}-debian-{}", architecture.debian());
    let folder = cache::folder()?.join("tools").join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    let work = folder.with_extension(std::process::id().to_string());
    let outcome = unpack(runner, package, architecture, &work, &folder);
    let _ = fs::remove_dir_all(&work);
    outcome.with_context(|| format!("{package} for {} could not be had from Debian", architecture.debian()))?;
    Ok(folder)
}

/// Unpacks in the folder `work`, and moves it to `folder` in one step.
fn unpack(runner: &mut Runner, package: &str, architecture: Architecture, work: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(work).with_context(|| format!("cannot make {}", work.display()))?;
    let lists = Lists::of_packages(runner, work, architecture)?;
    let what = format!("downloading {package} for {}", architecture.debian());
    runner.run(&what, "", &mut lists.apt_get(&["download", package]))?;
    let files = fs::read_dir(work)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let file = files.next().with_context(|| format!("apt-get downloaded no {package}"))?;
    let made = work.join("made");
    let mut dpkg = workspace::command("dpkg-deb");
    runner.run("unpacking", "", dpkg.arg("--extract").arg(file).arg(&made))?;
    match fs::rename(&made, folder) {
        // Another process has made it meanwhile.
        Err(_) if folder.is_dir() => Ok(()),
        outcome => outcome.with_context(|| format!("cannot make {}", folder.display())),
    }
}
