//! `cargo xtask test`: builds everything, runs all tests, and says what ran where.

mod summary;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use xtask_runner::{Runner, apt, seconds};

use crate::toolchain::architecture::Architecture;
use crate::toolchain::{Flavour, Toolchain};
use crate::tools::TEST_TOOLS;
use crate::{build, workspace};
pub use summary::Summary;

/// Runs all tests; `arguments` are for the test binaries.
pub fn run(runner: &mut Runner, arguments: &[OsString]) -> Result<()> {
    let (toolchain, flavour) = Toolchain::best(runner)?;
    let stable = Toolchain::find(runner, Flavour::Stable)?;
    let programs = build::static_programs(runner, Architecture::HERE)?;
    let artifacts = [
        ("HTTPSERVER_COMPONENT", build::component(runner, &toolchain, flavour)?),
        ("HTTPSERVER_COMPONENT_STABLE", build::component_for_tests(runner, &stable, Flavour::Stable)?),
        ("HTTPSERVER_GUEST", build::test_guest(runner, &stable)?),
        ("HTTPSERVER_BIN", programs.program("httpserver")),
    ];
    let tools = tools(runner)?;
    let selections = || {
        [
            ("everything without wasmtime", workspace::native_cargo("test", workspace::NATIVE)),
            ("runtime and shim", programs.cargo("test", workspace::WITH_WASMTIME)),
        ]
    };
    for (what, mut cargo) in selections() {
        runner.run(&format!("building the tests of {what}"), "", cargo.arg("--no-run"))?;
    }

    let temporary = Temporary::new(workspace::target().join("test-tmp"))?;
    let mut summary = Summary::default();
    let mut failures = Vec::new();
    for (what, mut cargo) in selections() {
        cargo
            .arg("--no-fail-fast")
            .envs(artifacts.clone())
            .envs(tools.clone())
            .env("TMPDIR", &temporary.0)
            .arg("--")
            .args(arguments);
        if let Err(failure) = runner.run_streaming(&format!("tests of {what}"), &mut cargo, |line| summary.add(line)) {
            failures.push(format!("{failure:#}"));
        }
    }

    report(runner, &summary);
    println!("not run: contract on url: no --url given");
    if flavour == Flavour::Stable {
        println!("not run: the component in the ship flavour: no toolchain for it, see above");
    }
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    temporary.ensure_empty()
}

/// The tools that tests start, each with the environment variable that names it.
pub fn tools(runner: &mut Runner) -> Result<Vec<(String, PathBuf)>> {
    let mut paths = vec![("HTTPSERVER_XTASK".to_owned(), env::current_exe().context("this program has no path")?)];
    for tool in &TEST_TOOLS {
        paths.push((tool.variable(), tool.path(runner)?));
    }
    // Tests find it by `PATH`, as a person does.
    if Command::new("curl").arg("--version").output().is_err() {
        apt::install(runner, &["curl"], "the tests need curl, which is not here")?;
    }
    Ok(paths)
}

/// Runs the contract table against the server at `url`, and nothing else; needs no component.
pub fn against(runner: &mut Runner, url: &str, arguments: &[OsString]) -> Result<()> {
    let mut summary = Summary::default();
    let mut contract = workspace::command(build::native(runner, workspace::CONTRACT)?);
    contract.env("HTTPSERVER_URL", url).args(arguments);
    let result = runner.run_streaming(&format!("contract on {url}"), &mut contract, |line| summary.add(line));
    report(runner, &summary);
    result
}

/// Prints how long each step took, and what ran where.
pub fn report(runner: &Runner, summary: &Summary) {
    println!("\n{:>8}  step", "time");
    for (what, took) in runner.timings() {
        println!("{:>8}  {what}", seconds(*took));
    }
    print!("\n{summary}");
}

/// A folder for the tests' temporary files. Files that a test leaves there are reported, then removed.
struct Temporary(PathBuf);

impl Temporary {
    fn new(path: PathBuf) -> Result<Self> {
        // From a run that was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn ensure_empty(&self) -> Result<()> {
        let left: Vec<_> =
            fs::read_dir(&self.0)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
        ensure!(left.is_empty(), "the tests left temporary files behind: {}", left.join(OsStr::new(", ")).display());
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_tests_leave_are_named_and_removed() {
        let path = std::env::temp_dir().join(format!("httpserver-xtask-temporary-{}", std::process::id()));
        let temporary = Temporary::new(path.clone()).unwrap();
        temporary.ensure_empty().unwrap();
        fs::write(path.join("left"), "").unwrap();
        let error = temporary.ensure_empty().unwrap_err().to_string();
        drop(temporary);
        assert!(error.ends_with(": left"), "{error}");
        assert!(!path.exists());
    }
}
