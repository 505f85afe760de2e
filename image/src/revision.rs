//! Which source this is. One rule for two places: the component's build script includes this file for `/version`, and the image's
//! label has it from here.

use std::env;
use std::path::Path;
use std::process::Command;

/// Takes the place of what git says. Without git, as in a source archive, it is the only source.
pub const VARIABLE: &str = "HTTPSERVER_GIT_COMMIT";

/// What the image is made of, the component included. Only a change of these makes a tree dirty.
pub const SOURCES: [&str; 8] = [
    "src",
    "traceparent",
    "build.rs",
    "image/src/revision.rs",
    "Cargo.toml",
    "Cargo.lock",
    "spin.toml",
    "runtime-config.toml",
];

/// The commit of the checkout in `root`, `digits` long, with `-dirty` if one of [`SOURCES`] was changed or added since.
///
/// A source archive that was unpacked inside another repository does not take that one's.
pub fn revision(root: &Path, digits: usize) -> Option<String> {
    if let Some(told) = env::var(VARIABLE).ok().filter(|told| !told.is_empty()) {
        return Some(told);
    }
    root.join(".git").exists().then_some(())?;
    let commit = git(root, &["rev-parse", &format!("--short={digits}"), "HEAD"])?;
    let changes = git(root, &[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changes.is_empty() { commit } else { commit + "-dirty" })
}

/// What `git ARGUMENTS…` prints in `root`; `None` where it fails or is not installed.
pub fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
