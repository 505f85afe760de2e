//! `cargo xtask clean`: everything this repository made outside its sources.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};

use crate::workspace;

/// What this repository's programs keep in the user's cache folder: the cluster's programs, the runtime's compiled
/// components, our tools, the virtual machine's disk.
const CACHED: [&str; 4] = ["cluster", "compiled", "tools", "vm"];

/// Removes `target/` and the cache folder's entries, and says what and how much.
pub fn run() -> Result<()> {
    let cached = workspace::cache().into_iter().flat_map(|cache| CACHED.map(|name| cache.join(name)));
    for folder in [workspace::target()].into_iter().chain(cached) {
        if !folder.exists() {
            continue;
        }
        let size = size(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        eprintln!("removed {}: {:.1} MB", workspace::shown(&folder), size as f64 / 1e6);
    }
    if let Some(cache) = workspace::cache() {
        // Goes only if nothing else is in it, which is the wish; an error is no news.
        let _ = fs::remove_dir(cache);
    }
    Ok(())
}

/// Bytes of all files under `folder`; symbolic links are not followed.
fn size(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            if entry.file_type()?.is_dir() { size(&entry.path()) } else { Ok(entry.metadata()?.len()) }
        })
        .sum()
}
