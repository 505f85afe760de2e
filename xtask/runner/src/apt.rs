//! Debian's packages.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Result, bail};

use crate::Runner;

/// Whether all of `packages` are installed; false if this is not Debian.
pub fn has(packages: &[&str]) -> bool {
    let query =
        Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}\n"]).args(packages).output();
    query.is_ok_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).lines().all(|line| line == "installed")
    })
}

/// Installs `packages`. `missing` says what they are needed for.
///
/// # Errors
/// Where this is not Debian or the user is not root: what to type. Also if apt-get fails.
pub fn install(runner: &mut Runner, packages: &[&str], missing: &str) -> Result<()> {
    if apt_get(&["--version"]).output().is_err() {
        bail!("{missing}; and this is not Debian, whose packages would do: {}", packages.join(", "));
    }
    if !is_root() {
        bail!(
            "{missing}; Debian's packages will do, type `sudo apt-get update && sudo apt-get install \
             --no-install-recommends {}`, then the same command again",
            packages.join(" ")
        );
    }
    update(runner)?;
    // Another Rust in /usr/bin conflicts with Debian's. Its owner decides whether to remove it, not apt.
    let install = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    let what = format!("installing {}", packages.join(", "));
    runner.run(&what, "about 1 min", apt_get(&install).args(packages))
}

/// Reads the lists of packages, which a new machine does not have yet.
///
/// # Errors
/// If apt-get fails.
pub fn update(runner: &mut Runner) -> Result<()> {
    runner.run("reading Debian's package lists", "", &mut apt_get(&["update"]))
}

/// `apt-get ARGUMENTS`, which asks no questions.
pub fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    // Its files there belong to its effective user.
    fs::metadata("/proc/self/stat").is_ok_and(|file| file.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_package_is_not_installed() {
        assert!(!has(&["httpserver-no-such-package"]));
    }
}
