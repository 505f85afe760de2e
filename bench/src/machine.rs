//! What a figure depends on besides the contenders: the machine, and the versions of everything.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use anyhow::Result;
use test_support::artifacts;

use crate::contenders::Contender;

/// The machine's side.
pub fn describe() -> Result<BTreeMap<String, String>> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let facts = [
        ("processor", model.trim_start_matches(['\t', ' ', ':']).to_owned()),
        ("cores", thread::available_parallelism()?.to_string()),
        ("memory", memory.lines().next().unwrap_or_default().trim_start_matches("MemTotal:").trim().to_owned()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("transparent huge pages", read("/sys/kernel/mm/transparent_hugepage/enabled")),
        ("frequency governor", read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        ("load average at the start", read("/proc/loadavg")),
        ("commit", output("git".as_ref(), &["describe", "--always", "--dirty", "--abbrev=12"])),
        ("wrk", first_line(&output(&artifacts::tool("wrk"), &["-v"]))),
        ("wasmtime", locked("wasmtime")),
        ("hyper", locked("hyper")),
        ("oha", output(&artifacts::tool("oha"), &["--version"])),
        ("rustc", output("rustc".as_ref(), &["--version"])),
        ("go", output("go".as_ref(), &["version"])),
        ("component", format!("{} bytes", fs::metadata(artifacts::component())?.len())),
    ];
    Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What each contender is, with the size of its program.
pub fn programs(contenders: &[&Contender]) -> BTreeMap<String, String> {
    let described = |contender: &&Contender| {
        let bytes = fs::metadata(contender.program.path()).map_or(0, |file| file.len());
        (format!("contender {}", contender.name), format!("{}; {bytes} bytes", contender.what))
    };
    contenders.iter().map(described).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The version of a crate that this checkout is built with.
fn locked(name: &str) -> String {
    let lock = fs::read_to_string(artifacts::root().join("Cargo.lock")).unwrap_or_default();
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// What a program says about itself; empty if it is not there.
fn output(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(artifacts::root()).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
