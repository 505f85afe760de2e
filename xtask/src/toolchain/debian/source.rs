//! Debian's source packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask_runner::Runner;

use super::lists::Lists;

/// Unpacks the source of `package` below `folder`, and returns where. apt checks the signatures of those who sign the packages.
pub fn unpack(runner: &mut Runner, package: &str, folder: &Path) -> Result<PathBuf> {
    let lists = Lists::of_sources(runner, folder)?;
    runner.run(&format!("downloading the source of {package}"), "", &mut lists.apt_get(&["source", package]))?;
    let unpacked = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut unpacked = unpacked.filter(|path| path.join("debian").is_dir());
    unpacked.next().with_context(|| format!("apt-get unpacked no source of {package}"))
}
