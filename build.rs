//! What the component gets at build time: the commit for `/version`, the document of `/openapi.json`, and its memory layout.

#[path = "image/src/revision.rs"]
mod revision;

use std::path::Path;
use std::{env, fs};

use revision::{SOURCES, VARIABLE, git};

/// Digits of the commit in `/version`.
const DIGITS: usize = 12;

/// Bytes of stack. Every route needs less than 3 KiB. The rest is for other compilers. The stack lies below the data, so an
/// overflow is a trap. The initial memory needs no setting: the linker rounds the stack, the data and the allocator's arena up
/// to one page, which a host resets for each request.
const STACK: u32 = 16 << 10;

fn main() {
    SOURCES.iter().for_each(watch);
    watch_commits();
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let commit = revision::revision(Path::new("."), DIGITS);
    println!("cargo::rustc-env={VARIABLE}={}", commit.as_deref().unwrap_or("unknown"));
    minify("src/handlers/openapi.json");

    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK}");
        // Makes the component a tenth smaller: addresses take only the bytes that they need. The linker cannot do it with debug
        // information.
        if env::var("DEBUG").as_deref() == Ok("false") {
            println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
        }
    }
}

/// Writes a JSON document without the white space between its parts to `OUT_DIR`. A test compares the two.
fn minify(document: &str) {
    let path = Path::new(document);
    let text = fs::read_to_string(path).expect("the document can be read");
    let (mut in_string, mut escaped) = (false, false);
    let small: String = text
        .chars()
        .filter(|&character| {
            in_string ^= character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            in_string || !character.is_whitespace()
        })
        .collect();
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    let name = path.file_name().expect("a path of a file");
    fs::write(Path::new(&folder).join(name), small).expect("the folder can be written");
}

/// Makes cargo run this script again after a commit or a checkout.
fn watch_commits() {
    let paths = ["HEAD", "refs/heads", "packed-refs"];
    for path in paths.iter().filter_map(|path| git(Path::new("."), &["rev-parse", "--git-path", path])) {
        // Cargo takes a missing file for changed in every build.
        if Path::new(&path).exists() {
            watch(&path);
        }
    }
}

fn watch(path: impl AsRef<str>) {
    println!("cargo::rerun-if-changed={}", path.as_ref());
}
