//! What the component is told at build time: its memory layout and the commit it was built from.

#[path = "image/src/revision.rs"]
mod revision;

use std::env;
use std::path::Path;

use revision::{SOURCES, VARIABLE, git};

/// Digits of the commit that `/version` tells.
const DIGITS: usize = 12;

/// Bytes of stack. Every route needs less than 3 KiB; the rest is for other compilers. It lies below the data, so that an
/// overflow is a trap. There is no initial memory to choose: the linker rounds stack, data and the allocator's arena up to one
/// page, which is what a host resets for each request.
const STACK: u32 = 16 << 10;

fn main() {
    SOURCES.iter().for_each(watch);
    watch_commits();
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let commit = revision::revision(Path::new("."), DIGITS);
    println!("cargo::rustc-env={VARIABLE}={}", commit.as_deref().unwrap_or("unknown"));

    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK}");
        // A tenth smaller: the linker else leaves room for addresses larger than any. It cannot update debug information.
        if env::var("DEBUG").as_deref() == Ok("false") {
            println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
        }
    }
}

/// Has this script run again when the commit becomes another, by a commit or a checkout.
fn watch_commits() {
    let paths = ["HEAD", "refs/heads", "packed-refs"];
    for path in paths.iter().filter_map(|path| git(Path::new("."), &["rev-parse", "--git-path", path])) {
        // A path that is not there would count as changed in every build.
        if Path::new(&path).exists() {
            watch(&path);
        }
    }
}

fn watch(path: impl AsRef<str>) {
    println!("cargo::rerun-if-changed={}", path.as_ref());
}
