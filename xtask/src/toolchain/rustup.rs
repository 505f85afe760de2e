//! The Rust that runs this program, and rustup where it comes from there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Flavour, TARGET};

/// A download takes seconds; a firewall that drops packets would hold rustup for minutes.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// The folder of the compiler that runs this program.
pub fn sysroot() -> Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("cannot run `rustc`")?;
    ensure!(output.status.success(), "`rustc --print sysroot` failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// Whether what `flavour` is built from is there: std for [`TARGET`], and for what ships its sources (`rust-src`) as well.
/// rustup cannot answer this: it does not know files that it did not install.
pub fn can_make(sysroot: &Path, flavour: Flavour) -> bool {
    has_std(sysroot, TARGET) && (has_sources(sysroot) || flavour == Flavour::Stable)
}

/// Whether std for `target` is there.
pub fn has_std(sysroot: &Path, target: &str) -> bool {
    sysroot.join("lib/rustlib").join(target).join("lib").is_dir()
}

/// Whether std's sources (`rust-src`) are there.
pub fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file()
}

/// The folder with the linkers for components, which is in every toolchain from rustup.
pub fn linkers(sysroot: &Path) -> Result<PathBuf> {
    let hosts = sysroot.join("lib/rustlib");
    let folders = hosts.read_dir().with_context(|| format!("cannot read {}", hosts.display()))?;
    let bins = folders.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    match bins.into_iter().find(|bin| bin.join("wasm-component-ld").is_file() && bin.join("gcc-ld/wasm-ld").is_file()) {
        Some(bin) => Ok(bin),
        None => bail!(
            "no wasm-component-ld under {}; expected a Rust toolchain installed by rustup, which has it: \
             see https://rustup.rs, then type the same command again",
            hosts.display()
        ),
    }
}

/// Lets rustup download what `flavour` is built from; false where there is no rustup, no network, or no answer in time.
pub fn add(flavour: Flavour) -> bool {
    let parts: &[[&str; 3]] = match flavour {
        Flavour::Ship => &[["target", "add", TARGET], ["component", "add", "rust-src"]],
        Flavour::Stable => &[["target", "add", TARGET]],
    };
    parts.iter().all(|arguments| run(arguments))
}

/// Lets rustup download something; false as for [`add`].
pub fn run(arguments: &[&str]) -> bool {
    eprint!("rustup {} … ", arguments.join(" "));
    let mut rustup = Command::new("rustup");
    rustup.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let added = succeeds_within(&mut rustup, DOWNLOAD_TIMEOUT);
    eprintln!("{}", if added { "done" } else { "not possible here" });
    added
}

fn succeeds_within(command: &mut Command, timeout: Duration) -> bool {
    let Ok(mut child) = command.spawn() else { return false };
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => thread::sleep(Duration::from_millis(50)),
            Err(_) => break,
        }
    }
    // It may have ended by itself just now; there is nothing to do about either error.
    let _ = child.kill();
    let _ = child.wait();
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_to_succeed_in_time() {
        let within = |script, timeout| succeeds_within(Command::new("sh").args(["-c", script]), timeout);
        assert!(within("exit 0", Duration::from_secs(10)));
        assert!(!within("exit 1", Duration::from_secs(10)));
        let start = Instant::now();
        assert!(!within("exec sleep 10", Duration::from_millis(100)));
        assert!(start.elapsed() < Duration::from_secs(5), "the child was waited for instead of ended");
    }

    #[test]
    fn what_ships_needs_the_sources_of_std_too() {
        let sysroot = std::env::temp_dir().join(format!("httpserver-xtask-sysroot-{}", std::process::id()));
        let can_make = || [Flavour::Stable, Flavour::Ship].map(|flavour| can_make(&sysroot, flavour));
        let empty = can_make();
        std::fs::create_dir_all(sysroot.join("lib/rustlib/wasm32-wasip2/lib")).unwrap();
        let target = can_make();
        std::fs::create_dir_all(sysroot.join("lib/rustlib/src/rust/library")).unwrap();
        std::fs::write(sysroot.join("lib/rustlib/src/rust/library/Cargo.lock"), "").unwrap();
        let sources = can_make();
        std::fs::remove_dir_all(&sysroot).unwrap();
        assert_eq!([empty, target, sources], [[false, false], [true, false], [true, true]]);
    }

    #[test]
    fn a_missing_rustup_is_no_success() {
        assert!(!succeeds_within(&mut Command::new("no-such-program"), Duration::from_secs(10)));
    }
}
