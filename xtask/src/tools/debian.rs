//! Programs out of Debian packages, without installing these: unpacked into a folder, with a launcher that finds their
//! libraries there.

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask_runner::{Runner, apt};

use crate::workspace;

/// Unpacks `packages` into `folder` and puts a launcher for `/usr/bin/NAME` into `folder/bin`.
pub fn unpack(runner: &mut Runner, what: &str, packages: &[&str], name: &str, folder: &Path) -> Result<()> {
    let root = extract(runner, what, packages, name, folder)?;
    launcher(&root, name, &folder.join("bin").join(name))
}

/// Unpacks `package` into `folder` and puts its program `/bin/NAME`, which needs no libraries, into `folder/bin`.
pub fn copy(runner: &mut Runner, what: &str, package: &str, name: &str, folder: &Path) -> Result<()> {
    let root = extract(runner, what, &[package], name, folder)?;
    fs::copy(root.join("bin").join(name), folder.join("bin").join(name))
        .with_context(|| format!("the package {package} has no /bin/{name}"))?;
    Ok(())
}

/// Unpacks `packages`, and returns the folder that takes the place of the system's root.
fn extract(runner: &mut Runner, what: &str, packages: &[&str], name: &str, folder: &Path) -> Result<PathBuf> {
    let advice =
        format!("this takes Debian 12's apt-get; its package lists are made by `apt-get update`, wanted is {name}");
    let downloads = folder.join("packages");
    fs::create_dir_all(&downloads)?;
    let mut download = apt::apt_get(&["download", "--quiet"]);
    download.current_dir(&downloads).args(packages);
    if runner.run(what, "", &mut download).is_err() {
        // A fresh machine has no lists yet.
        apt::update(runner).context(advice.clone())?;
        runner.run(what, "", &mut download).context(advice)?;
    }
    let root = folder.join("root");
    for package in fs::read_dir(&downloads)? {
        let mut unpack = workspace::command("dpkg-deb");
        unpack.arg("--extract").arg(package?.path()).arg(&root);
        runner.run("unpacking", "", &mut unpack)?;
    }
    Ok(root)
}

fn launcher(root: &Path, name: &str, path: &Path) -> Result<()> {
    let root = root.display();
    let libraries = format!("{root}/usr/lib/{ARCH}-linux-gnu:{root}/lib/{ARCH}-linux-gnu");
    let script = format!("#!/bin/sh\nLD_LIBRARY_PATH='{libraries}' exec '{root}/usr/bin/{name}' \"$@\"\n");
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
