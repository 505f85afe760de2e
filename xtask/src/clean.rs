//! `cargo xtask clean`: everything this repository made outside its sources.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};
use xtask_runner::cache;

use crate::workspace;

/// Removes `target/` and the folder of this repository in the user's cache folder, and says what and how much.
pub fn run() -> Result<()> {
    let cache = cache::folder()?;
    // One by one, to say how large each is: the cluster's programs, the runtime's compiled components, tools.
    let cached = fs::read_dir(&cache).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    for folder in [workspace::target()].into_iter().chain(cached) {
        if !folder.exists() {
            continue;
        }
        let size = size(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let removed = if folder.is_dir() { fs::remove_dir_all(&folder) } else { fs::remove_file(&folder) };
        removed.with_context(|| format!("cannot remove {}", folder.display()))?;
        eprintln!("removed {}: {:.1} MB", workspace::shown(&folder), size as f64 / 1e6);
    }
    // Empty by now.
    let _ = fs::remove_dir(cache);
    Ok(())
}

/// Bytes of all files under `path`; symbolic links are not followed.
fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
