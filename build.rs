//! What the component is told at build time: its memory layout and the commit it was built from.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Overrides what git says; the only source where there is no git (a source archive, an image build).
const COMMIT_VARIABLE: &str = "HTTPSERVER_GIT_COMMIT";

/// What the component is made of. Only these make a tree dirty, and only these (and git's references) run this script again.
const SOURCES: [&str; 4] = ["src", "build.rs", "Cargo.toml", "Cargo.lock"];

/// Bytes of stack. Every route needs less than 3 KiB; the rest is for other compilers. It lies below the data, so that an
/// overflow is a trap. There is no initial memory to choose: the linker rounds stack, data and the allocator's arena up to one
/// page, which is what a host resets for each request.
const STACK: u32 = 16 << 10;

fn main() {
    SOURCES.iter().for_each(watch);
    println!("cargo::rerun-if-env-changed={COMMIT_VARIABLE}");
    let commit = env::var(COMMIT_VARIABLE).ok().filter(|commit| !commit.is_empty()).or_else(commit);
    println!("cargo::rustc-env={COMMIT_VARIABLE}={}", commit.as_deref().unwrap_or("unknown"));

    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK}");
        // A tenth smaller: the linker else leaves room for addresses larger than any. It cannot update debug information.
        if env::var("DEBUG").as_deref() == Ok("false") {
            println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
        }
    }
}

/// The commit of this very repository: a source archive unpacked inside another repository must not take that one's.
fn commit() -> Option<String> {
    Path::new(".git").exists().then_some(())?;
    for reference in ["HEAD", "refs/heads", "packed-refs"] {
        let path = git(&["rev-parse", "--git-path", reference])?;
        // A path that is not there would count as changed in every build.
        if fs::exists(&path).unwrap_or(false) {
            watch(&path);
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changes.is_empty() { commit } else { commit + "-dirty" })
}

/// What `git ARGUMENTS…` prints; `None` where it fails or is not installed.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn watch(path: impl AsRef<str>) {
    println!("cargo::rerun-if-changed={}", path.as_ref());
}
