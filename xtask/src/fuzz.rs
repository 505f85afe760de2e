//! `cargo xtask fuzz`: gives the code that reads what strangers send inputs that a fuzzer (libFuzzer) makes. The targets are in
//! `fuzz/`.
//!
//! It is what cargo-fuzz does, without its sanitizers: those need an unstable compiler, and find little in safe code.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use xtask_runner::Runner;

use crate::workspace;

/// What makes a program tell libFuzzer which code an input reaches, and what the input is compared with.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

/// The time for each target if nothing else is asked for: after it, little new code is reached.
const SECONDS: u32 = 60;

/// Lines of a failed target's output that are shown: the panic and the input.
const SHOWN: usize = 25;

/// What to run.
#[derive(Args)]
pub struct Arguments {
    /// Seconds for each target [default: 60, or without an end if there are --inputs]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u32>,

    /// End a target after that many inputs
    #[arg(long, value_name = "NUMBER")]
    inputs: Option<u64>,

    /// Put the inputs that reach more code than those in fuzz/corpus there
    #[arg(long)]
    keep: bool,

    /// Only these [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs the command.
pub fn run(runner: &mut Runner, arguments: &Arguments) -> Result<()> {
    let all = targets()?;
    if let Some(unknown) = arguments.targets.iter().find(|target| !all.contains(target)) {
        bail!("invalid target \"{unknown}\": expected one of {}", all.join(", "));
    }
    let folder = workspace::target().join("fuzz");
    let triple = format!("{ARCH}-unknown-linux-gnu");
    let mut build = workspace::cargo("build");
    workspace::select(&mut build, &[workspace::FUZZ], &folder);
    // With a target, so that build scripts are compiled without these flags.
    build.args(["--bins", "--target", &triple]).env("RUSTFLAGS", RUSTFLAGS);
    runner.run("building the targets", "first time about 2 min", &mut build)?;
    for target in if arguments.targets.is_empty() { &all } else { &arguments.targets } {
        let program = folder.join(&triple).join(format!("host/fuzz_{target}"));
        fuzz(&program, target, &folder, arguments).with_context(|| format!("target {target}"))?;
    }
    Ok(())
}

/// A target for each file.
fn targets() -> Result<Vec<String>> {
    let files = fs::read_dir(workspace::root().join("fuzz/src/bin"))?;
    let mut names: Vec<_> = files
        .map(|file| Ok(file?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

fn fuzz(program: &Path, target: &str, folder: &Path, arguments: &Arguments) -> Result<()> {
    let kept = workspace::root().join("fuzz/corpus").join(target);
    let (made, found) = (folder.join("corpus").join(target), folder.join("found").join(target));
    for folder in [&kept, &made, &found] {
        fs::create_dir_all(folder)?;
    }
    // For libFuzzer 0 means no end.
    let seconds = arguments.seconds.unwrap_or(if arguments.inputs.is_some() { 0 } else { SECONDS });
    let mut command = workspace::command(program);
    command
        // An error of anyhow's would note the stack, if RUST_BACKTRACE is set: up to a quarter of an input's time. A panic still shows it.
        .env("RUST_LIB_BACKTRACE", "0")
        .arg(format!("-max_total_time={seconds}"))
        .args(arguments.inputs.map(|inputs| format!("-runs={inputs}")))
        .arg(format!("-artifact_prefix={}/", found.display()))
        // One input takes some microseconds, and the memory of a few copies of it. The clock also counts while the machine does
        // something else: at the lowest priority, beside builds, 60 s were over before an input had its turn.
        .args(["-timeout=600", "-report_slow_units=600", "-rss_limit_mb=1024"])
        .args([&made, &kept]);
    let said = quietly(&mut command, &folder.join(format!("{target}.log"))).with_context(|| {
        format!(
            "the input is in {}; to run it again: `cargo run --package {} --bin fuzz_{target} -- FILE`",
            workspace::shown(&found),
            workspace::FUZZ
        )
    })?;
    println!("{target}: {}", said.lines().rev().find(|line| line.starts_with("Done ")).unwrap_or("no inputs"));
    if arguments.keep {
        let mut merge = workspace::command(program);
        // The fewest inputs that reach the same code; how often they reach it does not count.
        merge.args(["-set_cover_merge=1", "-use_counters=0"]).args([&kept, &made]);
        quietly(&mut merge, &folder.join(format!("{target}.merge.log")))?;
    }
    Ok(())
}

/// Runs a command with its error output in a file, and returns that; if it fails, shows the end of it.
fn quietly(command: &mut Command, log: &Path) -> Result<String> {
    let status = command.stderr(File::create(log)?).status().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let end: Vec<_> = said.lines().rev().take(SHOWN).collect();
    ensure!(status.success(), "{status}\n{}", end.into_iter().rev().collect::<Vec<_>>().join("\n"));
    Ok(said)
}
