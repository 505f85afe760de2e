//! What is under test: built beforehand, and named by environment variables, or else where `cargo xtask` leaves it.

use std::env;
use std::env::consts::ARCH;
use std::path::PathBuf;
use std::process::Command;

/// The runtime's program.
///
/// Cargo names it for the runtime's own tests. `HTTPSERVER_BIN` names it for the tests of other packages that start a server:
/// those of the documents, of the image and of the manifests.
pub fn runtime() -> PathBuf {
    match env::var_os("CARGO_BIN_EXE_httpserver") {
        Some(program) => program.into(),
        None => built("HTTPSERVER_BIN", &format!("{ARCH}-unknown-linux-musl/host/httpserver")),
    }
}

/// The shim's program.
pub fn shim() -> PathBuf {
    built("HTTPSERVER_SHIM", &format!("{ARCH}-unknown-linux-musl/host/containerd-shim-wasmtime-spin-v1"))
}

/// The component as it ships.
pub fn component() -> PathBuf {
    built("HTTPSERVER_COMPONENT", "wasm32-wasip2/release/httpserver.wasm")
}

/// The component as a stable toolchain builds it.
pub fn stable_component() -> PathBuf {
    built("HTTPSERVER_COMPONENT_STABLE", "rustup/stable/wasm32-wasip2/release/httpserver.wasm")
}

/// The misbehaving component of `tests/guest`.
pub fn guest() -> PathBuf {
    built("HTTPSERVER_GUEST", "rustup/stable/wasm32-wasip2/release/test_guest.wasm")
}

/// The image under test, as an archive.
pub fn image_archive() -> PathBuf {
    built("HTTPSERVER_IMAGE_ARCHIVE", "e2e.oci.tar")
}

/// A tool that only tests use: `kube-score`.
pub fn tool(name: &str) -> PathBuf {
    let variable = format!("HTTPSERVER_{}", name.to_uppercase().replace('-', "_"));
    let path = env::var_os(&variable);
    let path = path.unwrap_or_else(|| panic!("{variable} is not set: type `cargo xtask test`, which installs {name}"));
    existing(&variable, path.into())
}

/// `cargo xtask`, without its arguments yet, in the root of this repository.
pub fn xtask() -> Command {
    let mut command = Command::new(tool("xtask"));
    // It looks for the repository next to its own package, which cargo names.
    command.current_dir(root()).env("CARGO_MANIFEST_DIR", root().join("xtask"));
    command
}

/// The application's manifest in this repository.
pub fn manifest() -> PathBuf {
    root().join("spin.toml")
}

/// The root of this repository. Cargo starts a test in the folder of its package, which is in the root or is the root itself.
pub fn root() -> PathBuf {
    let current = env::current_dir().expect("a process has a folder");
    let root = current.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.unwrap_or_else(|| panic!("no Cargo.lock in {} and the folders above it", current.display())).to_owned()
}

/// A cache folder that all tests share, so that each component is compiled once: next to the test executables.
pub fn cache() -> PathBuf {
    let executable = env::current_exe().expect("a running program has a path");
    executable.with_file_name("test-cache")
}

/// The file that the environment variable names, or else that one in `target`.
fn built(variable: &str, default: &str) -> PathBuf {
    let path = env::var_os(variable).map(PathBuf::from);
    existing(variable, path.unwrap_or_else(|| root().join("target").join(default)))
}

fn existing(variable: &str, path: PathBuf) -> PathBuf {
    let advice = "type `cargo xtask test`, which makes it, or name one";
    assert!(path.is_file(), "no file {}: {advice} in the environment variable {variable}", path.display());
    path
}
