//! The user's cache folder.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// What this repository's programs keep between runs: `$XDG_CACHE_HOME/httpserver`, or `~/.cache/httpserver`.
///
/// # Errors
/// If neither variable is an absolute path.
pub fn folder() -> Result<PathBuf> {
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let base = base.context("neither XDG_CACHE_HOME nor HOME is an absolute path; set one")?;
    Ok(base.join("httpserver"))
}
