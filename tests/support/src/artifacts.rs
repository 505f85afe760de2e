//! What is under test: built beforehand, and named by environment variables.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The runtime's binary.
pub fn runtime() -> PathBuf {
    required("HTTPSERVER_BIN")
}

/// The shim's binary.
pub fn shim() -> PathBuf {
    required("HTTPSERVER_SHIM")
}

/// The component as it ships.
pub fn component() -> PathBuf {
    required("HTTPSERVER_COMPONENT")
}

/// The component as a stable toolchain builds it.
pub fn stable_component() -> PathBuf {
    required("HTTPSERVER_COMPONENT_STABLE")
}

/// The misbehaving component of `tests/guest`.
pub fn guest() -> PathBuf {
    required("HTTPSERVER_GUEST")
}

/// The program that makes images.
pub fn image_tool() -> PathBuf {
    required("HTTPSERVER_IMAGE_TOOL")
}

/// The image under test, as an archive.
pub fn image_archive() -> PathBuf {
    required("HTTPSERVER_IMAGE_ARCHIVE")
}

/// A tool that only tests use: `kube-score`.
pub fn tool(name: &str) -> PathBuf {
    required(&format!("HTTPSERVER_{}", name.to_uppercase().replace('-', "_")))
}

/// `cargo xtask`, without its arguments yet, for a test that runs in the root of this repository.
pub fn xtask() -> Command {
    let mut command = Command::new(tool("xtask"));
    // It looks for the repository beside its own package, which cargo names.
    command.env("CARGO_MANIFEST_DIR", env::current_dir().expect("a folder").join("xtask"));
    command
}

/// The application's manifest in this repository; cargo runs the tests of the root package there, others go there.
pub fn manifest() -> &'static Path {
    Path::new("spin.toml")
}

/// A cache folder that all tests share, so that each component is compiled once: beside the test executables.
pub fn cache() -> PathBuf {
    let executable = env::current_exe().expect("a running program has a path");
    executable.with_file_name("test-cache")
}

fn required(name: &str) -> PathBuf {
    let value = env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask test`, which sets it"));
    let path = PathBuf::from(value);
    assert!(path.is_file(), "{name}={}: no such file; run `cargo xtask test`, which makes it", path.display());
    path
}
