//! What this machine must have. It is checked before anything starts, and Debian's packages that are missing are installed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use xtask_runner::{Runner, apt};

use crate::cgroup;
use crate::command::output;
use crate::tools::Tools;

/// Programs that run pods and their network and that we do not build, each with its Debian package.
const PROGRAMS: [(&str, &str); 9] = [
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    // The CNI plugin `portmap` uses it for host ports.
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("setpriv", "util-linux"),
    ("sysctl", "procps"),
    ("unshare", "util-linux"),
];

/// Compiles `pause`, if that is not built yet.
const COMPILER: [(&str, &str); 2] = [("gcc", "gcc"), ("gcc", "libc6-dev")];

/// Where distributions install the CNI plugins, and where a build from source does.
const CNI: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// Debian's package with the CNI plugins.
const CNI_PACKAGE: &str = "containernetworking-plugins";

/// Free space for a run: each node's images, and logs. Measured: 1.6 GB with three nodes.
const RUN_SPACE: u64 = 3 << 30;

/// Free space for building: Go's caches and the programs. Measured: less than 15 GB, with parts built several times.
const BUILD_SPACE: u64 = 15 << 30;

/// The lowest Go that the modules in `tools/` compile with.
const GO: (u32, u32) = (1, 26);

/// Capability number of `CAP_SYS_RESOURCE` (linux/capability.h).
const SYS_RESOURCE: u32 = 24;

/// Checks this machine, and installs Debian's packages that are missing.
///
/// # Errors
/// What is missing, and what to do about it.
pub fn prepare(cache: &Path, runner: &mut Runner) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "a cluster's nodes are Linux namespaces, and this is not Linux");
    ensure!(
        apt::is_root(),
        "only root can make a cluster's namespaces, networks and control groups; type `sudo -E env PATH=$PATH cargo xtask \
         cluster up`"
    );
    cgroup::check()?;
    let built = Tools::are_built(cache);
    space(Path::new("/var/lib"), RUN_SPACE)?;
    if !built {
        fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
        space(cache, BUILD_SPACE)?;
        go()?;
    }
    let compiler: &[_] = if built { &[] } else { &COMPILER };
    packages(&PROGRAMS.iter().chain(compiler).copied().collect::<Vec<_>>(), runner)?;
    namespaces()?;
    // The file system of a container is an overlay, and Linux does not stack another one on it.
    ensure!(
        output(Command::new("stat").args(["--file-system", "--format=%T", "/var/lib"]))?.trim() != "overlayfs",
        "/var/lib is on an overlay, on which containerd cannot make another; in a container, start that with `--volume \
         /var/lib`"
    );
    Ok(())
}

/// The folder with the CNI plugins.
pub fn cni() -> Result<&'static str> {
    CNI.into_iter()
        .find(|folder| Path::new(folder).join("bridge").is_file())
        .with_context(|| format!("the CNI plugins are in none of {}; install Debian's {CNI_PACKAGE}", CNI.join(", ")))
}

/// Whether an `oom_score_adj` cannot be lowered here, which runc does for each container.
pub fn lacks_sys_resource() -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    !status.is_ok_and(|status| status.capeff >> SYS_RESOURCE & 1 == 1)
}

fn space(folder: &Path, wanted: u64) -> Result<()> {
    let stat =
        rustix::fs::statvfs(folder).with_context(|| format!("cannot ask how much is free in {}", folder.display()))?;
    let free = stat.f_bavail * stat.f_frsize;
    ensure!(
        free >= wanted,
        "{} has {:.1} GB free; expected {:.1} GB",
        folder.display(),
        free as f64 / 1e9,
        wanted as f64 / 1e9
    );
    Ok(())
}

/// Checks that Go is here, and new enough.
///
/// # Errors
/// What to install.
pub fn go() -> Result<()> {
    let expected = || format!("expected Go {}.{} or later: https://go.dev/dl", GO.0, GO.1);
    let version = output(Command::new("go").args(["env", "GOVERSION"])).with_context(expected)?;
    ensure!(go_version(&version) >= Some(GO), "`go` is {}; {}", version.trim(), expected());
    Ok(())
}

/// Major and minor of what `go env GOVERSION` prints: `go1.26.8`.
fn go_version(printed: &str) -> Option<(u32, u32)> {
    let mut numbers = printed.trim().strip_prefix("go")?.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn namespaces() -> Result<()> {
    output(Command::new("unshare").args(["--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "true"])).context(
        "cannot make namespaces, which a cluster's nodes are; in a container, start that with `--privileged`",
    )?;
    Ok(())
}

/// Installs what is missing, or says what to type.
fn packages(programs: &[(&str, &'static str)], runner: &mut Runner) -> Result<()> {
    let mut missing: Vec<_> =
        programs.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if cni().is_err() {
        missing.push(CNI_PACKAGE);
    }
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    apt::install(runner, &missing, &format!("a cluster needs {}, which are not here", missing.join(", ")))
}

/// Where `program` is, by `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_compare_by_number() {
        assert_eq!(go_version("go1.26.8\n"), Some((1, 26)));
        assert!(go_version("go1.9") < Some(GO) && go_version("go1.100.1") > Some(GO) && go_version("devel") < Some(GO));
    }
}
