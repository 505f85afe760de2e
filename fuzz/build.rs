//! What the build script of the component makes, as far as the core needs it to compile.

#[path = "../image/src/revision.rs"]
#[expect(dead_code, reason = "only the name of the variable is used")]
mod revision;

use std::path::Path;
use std::{env, fs};

fn main() {
    const DOCUMENT: &str = "../src/handlers/openapi.json";
    println!("cargo::rerun-if-changed={DOCUMENT}");
    println!("cargo::rustc-env={}=unknown", revision::VARIABLE);
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::copy(DOCUMENT, Path::new(&folder).join("openapi.json")).expect("the document can be read");
}
