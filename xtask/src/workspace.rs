//! Where things are in this checkout, and how to call cargo for this machine.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Set in the caller's environment, any of these would send the output elsewhere or change what is built.
const STRAY_VARIABLES: [&str; 8] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
];

/// What cargo tells us of our own package. `ring`'s build script asks for it, so that everything above `ring` would be built
/// again whenever a plain `cargo build` comes after `cargo xtask`.
const OWN_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// The package and program of `cargo xtask bench`.
pub const BENCH: &str = "bench";

/// The package with the targets of `cargo xtask fuzz`.
pub const FUZZ: &str = "fuzz";

/// The package of the runtime.
pub const RUNTIME: &str = "httpserver-runtime";

/// What contains wasmtime. Features are unified over what one command selects, so that wasmtime is built once, in minutes, where
/// these are always selected together; `cargo xtask up` alone takes the runtime without the shim, which needs more to build
/// than a laptop may have.
pub const WITH_WASMTIME: &[&str] = &[RUNTIME, "httpserver-shim"];

/// The package and program that makes the image.
pub const IMAGE_TOOL: &str = "httpserver-image";

/// The package and program that installs the shim on a node.
pub const INSTALLER: &str = "httpserver-shim-installer";

/// The package and program of `cargo xtask cluster`.
pub const CLUSTER: &str = "test-cluster";

/// The package and program with the cases of the virtual machine.
pub const CASES: &str = "test-vm";

/// The package and program that runs the contract against a server that runs already.
pub const CONTRACT: &str = "test-contract";

/// The package and program with the end-to-end tests.
pub const END_TO_END: &str = "test-e2e";

/// The package and program that runs the virtual machine.
pub const MACHINE: &str = "test-vm-machine";

/// The package and program of `cargo xtask manifests`.
pub const MANIFESTS: &str = "xtask-manifests";

/// Everything without wasmtime. Every command for this machine selects all of it, also to build one program: features are unified
/// over what is selected, so that a crate is compiled once for all of them. The core of the component is tested there too.
pub const NATIVE: &[&str] = &[
    BENCH,
    "httpserver",
    "oci-writer",
    IMAGE_TOOL,
    INSTALLER,
    CLUSTER,
    CONTRACT,
    END_TO_END,
    FUZZ,
    "log-escape",
    "test-hostile",
    "test-manifests",
    "test-support",
    CASES,
    MACHINE,
    "traceparent",
    "xtask",
    MANIFESTS,
    "xtask-runner",
];

/// The root of this checkout.
///
/// Asked at run time: the path at compile time is stale after a move, and another checkout's where two share a target
/// folder.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let xtask = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it: start this program as `cargo xtask`");
        Path::new(&xtask).parent().expect("xtask/ is a folder of the workspace").to_path_buf()
    });
    &ROOT
}

/// The workspace's `target` folder, whatever `CARGO_TARGET_DIR` says: `spin.toml` names a file in it.
pub fn target() -> PathBuf {
    root().join("target")
}

/// `path` as a person would type it: relative to the root where it lies inside.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A command in the root of this checkout, without the variables that would change what cargo builds.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for name in STRAY_VARIABLES {
        command.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        if OWN_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// The cargo that started this program.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand);
    command
}

/// Cargo with the profile `host` for these packages, for this machine: `build`, `test`, `clippy`, `doc`.
pub fn native_cargo(subcommand: &str, packages: &[&str]) -> Command {
    let mut command = cargo(subcommand);
    select(&mut command, packages, &target());
    command
}

/// Lets a cargo that builds use the profile `host` for these packages, and put what it makes into `folder`.
pub fn select(command: &mut Command, packages: &[&str], folder: &Path) {
    command.args(["--profile", "host", "--target-dir"]).arg(folder);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_package_of_the_workspace_is_linted_and_tested() {
        let metadata = cargo("metadata").args(["--no-deps", "--format-version", "1"]).output().unwrap().stdout;
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
        let members = metadata["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap());
        let ours = NATIVE.iter().chain(WITH_WASMTIME).copied().chain(["macro-guest", "test-guest"]);
        assert_eq!(members.collect::<BTreeSet<_>>(), ours.collect::<BTreeSet<_>>(), "change the lists above");
    }
}
