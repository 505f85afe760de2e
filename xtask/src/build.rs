//! `cargo xtask build`: the component, at the one path that `spin.toml` names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask_runner::{Runner, Started};

use crate::toolchain::architecture::Architecture;
use crate::toolchain::musl::Musl;
use crate::toolchain::{Flavour, TARGET, Toolchain, protoc};
use crate::workspace;

/// The profile of the runtime on a laptop: compiles sooner, and compiles components slower.
const LAPTOP: &str = "laptop";

/// The package of the component.
const COMPONENT: &str = "httpserver";

/// Builds the component in `flavour`, or in the default flavour, and prints its size.
pub fn run(runner: &mut Runner, flavour: Option<Flavour>) -> Result<()> {
    let (toolchain, flavour) = match flavour {
        Some(flavour) => (Toolchain::find(runner, flavour)?, flavour),
        None => Toolchain::best(runner)?,
    };
    component(runner, &toolchain, flavour).map(drop)
}

/// Builds the component and puts it where `spin.toml` expects it.
pub fn component(runner: &mut Runner, toolchain: &Toolchain, flavour: Flavour) -> Result<PathBuf> {
    let made = package(runner, toolchain, flavour, COMPONENT)?;
    let path = workspace::target().join(TARGET).join("release").join(COMPONENT).with_extension("wasm");
    copy_if_changed(&made, &path)?;
    let size = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
    eprintln!("{}: {size} bytes ({})", workspace::shown(&path), toolchain.describe(flavour)?);
    Ok(path)
}

/// Builds the component in `flavour` without replacing the file that `spin.toml` names.
pub fn component_for_tests(runner: &mut Runner, toolchain: &Toolchain, flavour: Flavour) -> Result<PathBuf> {
    package(runner, toolchain, flavour, COMPONENT)
}

/// Builds the misbehaving component that the tests of the runtime use.
pub fn test_guest(runner: &mut Runner, toolchain: &Toolchain) -> Result<PathBuf> {
    // The flavour that every toolchain can make, so that the tests see the same guest everywhere.
    package(runner, toolchain, Flavour::Stable, "test-guest")
}

/// Builds the component that the benchmark compares ours with.
pub fn macro_guest(runner: &mut Runner, toolchain: &Toolchain) -> Result<PathBuf> {
    // As its developer would.
    package(runner, toolchain, Flavour::Stable, "macro-guest")
}

/// Begins to build the runtime's program for this machine, [`laptop_runtime`].
pub fn start_runtime(runner: &Runner) -> Result<Started> {
    let mut cargo = workspace::cargo("build");
    cargo.args(["--profile", LAPTOP, "--package", workspace::RUNTIME, "--bin", "httpserver", "--target-dir"]);
    cargo.arg(workspace::target());
    runner.start("building the runtime", "first time about 3 min", cargo)
}

/// The runtime's program for this machine.
pub fn laptop_runtime() -> PathBuf {
    workspace::target().join(LAPTOP).join("httpserver")
}

/// Builds the static programs, which run on any Linux with such a processor: the runtime and the shim.
pub fn static_programs(runner: &mut Runner, architecture: Architecture) -> Result<Musl> {
    protoc::install(runner)?;
    let musl = Musl::find(runner, architecture)?;
    let mut cargo = musl.cargo("build", workspace::WITH_WASMTIME);
    let what = format!("building the runtime and the shim, static, for {}", architecture.debian());
    runner.run(&what, "first time about 6 min", &mut cargo)?;
    Ok(musl)
}

/// Builds a program for this machine that is called like its package.
pub fn native(runner: &mut Runner, program: &str) -> Result<PathBuf> {
    let mut cargo = workspace::native_cargo("build", workspace::NATIVE);
    let hint = if program == workspace::IMAGE_TOOL { "first time about 1 min" } else { "" };
    runner.run_usually_fast(&format!("building {program}"), hint, cargo.args(["--bin", program]))?;
    Ok(workspace::target().join("host").join(program))
}

/// Builds the Go server that the component is compared with: one static program.
pub fn baseline(runner: &mut Runner) -> Result<PathBuf> {
    let binary = workspace::target().join("baseline");
    let mut go = workspace::command("go");
    go.current_dir(workspace::root().join("bench/baseline"))
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off");
    go.args(["build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o"]).arg(&binary).arg(".");
    runner.run("building the Go server to compare with", "", &mut go).context("this takes Go 1.26 or later")?;
    Ok(binary)
}

fn package(runner: &mut Runner, toolchain: &Toolchain, flavour: Flavour, package: &str) -> Result<PathBuf> {
    let what = format!("building {package}.wasm, {} flavour", flavour.name());
    runner.run(&what, "first time about 1 min", toolchain.cargo("build", flavour).args(["--package", package]))?;
    Ok(toolchain.artifact(flavour, package))
}

/// Copies `from` to `to` if they differ, so that a program that watches `to` sees no needless change. A reader never sees half
/// of the file.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let made = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == made) {
        return Ok(());
    }
    let temporary = to.with_extension(format!("wasm.{}", std::process::id()));
    let folder = to.parent().expect("a file is in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&temporary, made))
        .and_then(|()| fs::rename(&temporary, to))
        .with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_changed_file_is_copied() {
        let folder = std::env::temp_dir().join(format!("httpserver-xtask-put-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("new/to.wasm"));
        fs::create_dir_all(&folder).unwrap();

        fs::write(&from, "one").unwrap();
        copy_if_changed(&from, &to).unwrap();
        let first = fs::metadata(&to).unwrap().modified().unwrap();
        copy_if_changed(&from, &to).unwrap();
        let same = fs::metadata(&to).unwrap().modified().unwrap();
        fs::write(&from, "two").unwrap();
        copy_if_changed(&from, &to).unwrap();
        let content = fs::read_to_string(&to).unwrap();
        let files = fs::read_dir(to.parent().unwrap()).unwrap().count();

        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(first, same, "an unchanged file was written again");
        assert_eq!(content, "two");
        assert_eq!(files, 1, "a temporary file stayed behind");
    }
}
