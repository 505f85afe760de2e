//! The machine on which the cases run: a check that it is what they need, and its versions.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};

/// One line with the versions of the programs on which the cases depend.
///
/// # Errors
/// If this is not systemd, version 2 of control groups alone, and AppArmor.
pub fn description() -> Result<String> {
    ensure!(read("/proc/1/comm")? == "systemd", "the first process is not systemd");
    ensure!(fs::exists("/sys/fs/cgroup/cgroup.controllers")?, "/sys/fs/cgroup is not of version 2");
    ensure!(read("/sys/module/apparmor/parameters/enabled")? == "Y", "AppArmor is off");
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let versions = ["systemctl", "containerd", "runc"].map(version).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(format!("Linux {kernel}, {}, AppArmor, control groups of version 2", versions.join(", ")))
}

/// The first line of `program --version`.
fn version(program: &str) -> Result<String> {
    let output = Command::new(program).arg("--version").output().with_context(|| format!("no {program}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said.lines().next().unwrap_or(program).to_owned())
}

fn read(file: &str) -> Result<String> {
    Ok(fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?.trim_end().to_owned())
}
