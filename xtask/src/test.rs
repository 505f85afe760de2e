//! `cargo xtask test`: builds everything, runs all tests, and says what ran where.

mod tally;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    build, project,
    step::{Steps, seconds},
    toolchain::{Flavour, Toolchain, debian},
    tools::OF_TESTS,
};
pub use tally::Tally;

/// Runs all tests on every host there is; `arguments` are for the test binaries.
pub fn run(steps: &mut Steps, arguments: &[OsString]) -> Result<()> {
    let (toolchain, flavour) = Toolchain::best(steps)?;
    let stable = Toolchain::find(steps, Flavour::Stable)?;
    let programs = build::static_programs(steps)?;
    let artifacts = [
        ("HTTPSERVER_COMPONENT", build::component(steps, &toolchain, flavour)?),
        ("HTTPSERVER_COMPONENT_STABLE", build::aside(steps, &stable, Flavour::Stable)?),
        ("HTTPSERVER_GUEST", build::test_guest(steps, &stable)?),
        ("HTTPSERVER_BIN", programs.program("httpserver")),
    ];
    let tools = tools(steps)?;
    let selections = || {
        let native =
            project::WITHOUT_WASMTIME.iter().map(|packages| (*packages, project::host_cargo("test", packages)));
        native.chain([(project::WITH_WASMTIME, programs.cargo("test", project::WITH_WASMTIME))])
    };
    for (packages, mut cargo) in selections() {
        steps.run(&format!("building the tests of {}", packages.join(", ")), "", cargo.arg("--no-run"))?;
    }

    let temporary = Temporary::new(project::target().join("test-tmp"))?;
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for (packages, mut cargo) in selections() {
        cargo
            .arg("--no-fail-fast")
            .envs(artifacts.clone())
            .envs(tools.clone())
            .env("TMPDIR", &temporary.0)
            .arg("--")
            .args(arguments);
        if let Err(failure) =
            steps.lines(&format!("tests of {}", packages.join(", ")), &mut cargo, |line| tally.add(line))
        {
            failures.push(format!("{failure:#}"));
        }
    }

    report(steps, &tally);
    println!("not run: contract on url: no --url given");
    if flavour == Flavour::Stable {
        println!("not run: the component in the ship flavour: no toolchain for it, see above");
    }
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    temporary.ensure_empty()
}

/// What the tests start besides what is built here, by the environment variable that names it.
pub fn tools(steps: &mut Steps) -> Result<Vec<(String, PathBuf)>> {
    let mut paths = vec![("HTTPSERVER_XTASK".to_owned(), env::current_exe().context("this program has no path")?)];
    for tool in &OF_TESTS {
        paths.push((tool.variable(), tool.path(steps)?));
    }
    // By its own name: they type what a person would type.
    if Command::new("curl").arg("--version").output().is_err() {
        debian::install(steps, &["curl"], "the tests ask by curl, too, which is not here")?;
    }
    Ok(paths)
}

/// Runs the contract table against the server at `url`, and nothing else; needs no component.
pub fn against(steps: &mut Steps, url: &str, arguments: &[OsString]) -> Result<()> {
    let mut tally = Tally::default();
    let mut cargo = project::host_cargo("build", project::PLAIN);
    steps.run("building the contract's tests", "", cargo.args(["--bin", project::CONTRACT]))?;
    let mut contract = project::command(project::target().join("host").join(project::CONTRACT));
    contract.env("HTTPSERVER_URL", url).args(arguments);
    let result = steps.lines(&format!("contract on {url}"), &mut contract, |line| tally.add(line));
    report(steps, &tally);
    result
}

/// Prints how long each step took, and what ran where.
pub fn report(steps: &Steps, tally: &Tally) {
    println!("\n{:>8}  step", "time");
    for (what, took) in steps.taken() {
        println!("{:>8}  {what}", seconds(*took));
    }
    print!("\n{tally}");
}

/// The tests' own folder for temporary files: what they leave there is found, and does not stay.
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
    fn what_tests_leave_is_named_and_removed() {
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
