//! Debian's compiler: packages, and the environment it needs to make components.
//!
//! Debian has no std for Wasm, but the sources of its compiler's own std and a C library for WASI preview 1, which is
//! all that std needs.

pub mod foreign;
mod lists;
pub mod source;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// What compiles. The compiler follows what the browser of the distribution needs, so no version is pinned.
pub const COMPILER: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];

/// What lints, on top of [`COMPILER`].
pub const CLIPPY: [&str; 1] = ["rust-web-clippy"];

/// Where the package puts the compiler; first on the path is often another.
pub const RUSTC: &str = "/usr/bin/rustc";

/// Without self-contained linking, since Debian's std brings no C library: it is in a package of its own.
pub const RUSTFLAGS: [&str; 3] = ["-L", "native=/usr/lib/wasm32-wasi", "-Clink-self-contained=no"];

/// The lowest version of the compiler that compiles this workspace.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

/// Cargo of the Debian package with `linkers` for components within its reach.
pub fn cargo(subcommand: &str, linkers: &Path) -> Command {
    let mut command = compiler(subcommand);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from("/usr/bin"), linkers.to_path_buf(), linkers.join("gcc-ld")];
    let path = env::join_paths(folders.into_iter().chain(env::split_paths(&path)))
        .expect("folders of a path and of a sysroot contain no colon");
    command.env("PATH", path).env("CARGO_TARGET_WASM32_WASIP2_LINKER", "wasm-component-ld");
    command
}

/// Cargo of the Debian package, whatever Rust runs this program.
pub fn compiler(subcommand: &str) -> Command {
    // `/usr/bin/cargo clippy` would look for cargo-clippy in ~/.cargo/bin first, where rustup's is.
    let program = if subcommand == "clippy" { "/usr/bin/cargo-clippy" } else { "/usr/bin/cargo" };
    let mut command = workspace::command(program);
    command
        .arg(subcommand)
        .env("CARGO", "/usr/bin/cargo")
        .env("RUSTC", RUSTC)
        // Set by rustup for the programs it starts: its own compiler's libraries.
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// An error if the installed compiler is too old for this workspace.
pub fn check_version() -> Result<()> {
    let output = Command::new(RUSTC).arg("--version").output().with_context(|| format!("cannot run {RUSTC}"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    ensure!(
        is_at_least(&version, RUST_VERSION),
        "{RUSTC} is {}; expected {RUST_VERSION} or later, which Debian has in its security archive: add that to apt's \
         sources, then type `apt-get update && apt-get install {}`",
        version.trim_end(),
        COMPILER.join(" ")
    );
    Ok(())
}

/// Whether `rustc --version` printed a version that is not before `minimum`, `MAJOR.MINOR`.
fn is_at_least(printed: &str, minimum: &str) -> bool {
    let parse = |version: &str| -> Option<(u32, u32)> {
        let mut numbers = version.split('.').map_while(|number| number.parse().ok());
        Some((numbers.next()?, numbers.next()?))
    };
    let version = printed.split_whitespace().nth(1).and_then(parse);
    version.is_some() && version >= parse(minimum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(is_at_least("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)", "1.95"));
        assert!(is_at_least("rustc 1.100.0", "1.95"));
        assert!(is_at_least("rustc 2.0.0", "1.95"));
        assert!(!is_at_least("rustc 1.85.0 (4d91de4e4 2025-02-17)", "1.95"));
        assert!(!is_at_least("", "1.95"));
    }
}
