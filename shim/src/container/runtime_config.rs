//! The image's `/runtime-config.toml`.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use crate::regular_file;

/// The keys of Spin that this shim accepts. As on Spin, any other key is an error, since nobody would read it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuntimeConfig {
    /// The folder for Spin's files. This shim keeps none, so it accepts every value.
    #[serde(rename = "state_dir")]
    _state_dir: Option<String>,
}

/// Checks the file at `path`, if there is one.
///
/// # Errors
/// It cannot be read, is not TOML, or has another key.
pub fn check(path: &Path) -> Result<()> {
    let shown = path.display();
    if !regular_file::is_at(path)? {
        return Ok(());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    let parsed: Result<RuntimeConfig, _> = toml::from_str(&text);
    parsed
        .map(drop)
        .map_err(|error| anyhow!("invalid file \"{shown}\": expected only the key `state_dir`: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Result<()> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        check(file.path())
    }

    #[test]
    fn only_the_key_state_dir_is_accepted() {
        check_text("").unwrap();
        check_text("state_dir = \"\"").unwrap();
        check(Path::new("/no/such/runtime-config.toml")).unwrap();
        let error = check_text("[key_value_store.default]\ntype = \"redis\"").unwrap_err().to_string();
        assert!(
            error.contains("unknown field `key_value_store`") && error.contains("expected only the key `state_dir`"),
            "{error}"
        );
        check_text("state_dir = ").unwrap_err();
    }
}
