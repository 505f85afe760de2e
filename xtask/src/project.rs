//! Where things are in this checkout, and the host's cargo.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

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

/// The package of the containerd shim.
pub const SHIM: &str = "httpserver-shim";

/// The package of the embedded runtime.
pub const RUNTIME: &str = "httpserver-runtime";

/// The packages of the host, by what one cargo command selects; the core of the component is tested there too.
///
/// The runtime alone: features are unified over what one command selects, so that any other selection would build wasmtime
/// again, for minutes. The shim, which needs more to build than a laptop may have, selects the features that `runtime/Cargo.toml`
/// selects on its behalf, so that both share one wasmtime. containerd's shims exist on Linux only. The image by itself as well, so
/// that its command and its tests share what they are built from.
pub const HOST_PACKAGES: &[&[&str]] = if cfg!(target_os = "linux") {
    &[PLAIN, &[RUNTIME], &[SHIM], &["httpserver-image"]]
} else {
    &[PLAIN, &[RUNTIME], &["httpserver-image"]]
};

/// What needs nothing of the above.
pub const PLAIN: &[&str] =
    &["httpserver", "test-cluster", "test-e2e", "test-hostile", "test-manifests", "test-support", "xtask"];

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

/// What this repository's programs keep between runs: `$XDG_CACHE_HOME/httpserver`, else `~/.cache/httpserver`.
pub fn cache() -> Option<PathBuf> {
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(base.join("httpserver"))
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

/// Cargo with the profile `host` for one selection of [`HOST_PACKAGES`]: `build`, `test`, `clippy`, `doc`.
pub fn host_cargo(subcommand: &str, packages: &[&str]) -> Command {
    let mut command = cargo(subcommand);
    command.args(["--profile", "host", "--target-dir"]).arg(target());
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    command
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_package_of_the_workspace_is_linted_and_tested() {
        let metadata = cargo("metadata").args(["--no-deps", "--format-version", "1"]).output().unwrap().stdout;
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
        let members = metadata["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap());
        let ours = HOST_PACKAGES.concat().into_iter().chain(["test-guest", SHIM]);
        assert_eq!(members.collect::<BTreeSet<_>>(), ours.collect::<BTreeSet<_>>(), "change HOST_PACKAGES");
    }

    /// What a selection builds below the runtime's library, each with its features.
    fn below_the_runtime(package: &str) -> BTreeSet<String> {
        let mut cargo = host_cargo("build", &[package]);
        cargo.args(["--unit-graph", "-Zunstable-options"]).env("RUSTC_BOOTSTRAP", "1");
        let graph: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
        let units: BTreeMap<_, _> = graph["units"].as_array().unwrap().iter().enumerate().collect();
        let is_root = |unit: &Value| {
            unit["pkg_id"].as_str().is_some_and(|id| id.contains("#httpserver-runtime@"))
                && unit["target"]["kind"][0] == "lib"
        };
        let mut todo: Vec<_> = units.iter().filter(|(_, unit)| is_root(unit)).map(|(&index, _)| index).collect();
        let mut seen = BTreeSet::new();
        while let Some(index) = todo.pop() {
            if seen.insert(index) {
                let dependencies = units[&index]["dependencies"].as_array().unwrap().iter();
                todo.extend(dependencies.map(|unit| unit["index"].as_u64().unwrap() as usize));
            }
        }
        let unit = |index| {
            format!("{} {} {}", units[index]["pkg_id"], units[index]["target"]["kind"], units[index]["features"])
        };
        seen.iter().map(unit).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_runtime_and_the_shim_share_one_wasmtime() {
        let [runtime, shim] = [RUNTIME, SHIM].map(below_the_runtime);
        assert!(runtime.len() > 100, "{runtime:?}");
        let differences: Vec<_> = runtime.symmetric_difference(&shim).collect();
        assert!(
            differences.is_empty(),
            "wasmtime would be compiled twice, for minutes; make runtime/Cargo.toml, last section, agree: {differences:#?}"
        );
    }
}
