//! The image's `/runtime-config.toml`.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use crate::regular_file;

/// What Spin knows and we do too; like Spin, we refuse a key that nobody would read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuntimeConfig {
    /// Where Spin keeps files. This shim keeps none, so that every value is good.
    #[serde(rename = "state_dir")]
    _state_dir: Option<String>,
}

/// Checks the file at `path`, if there is one.
///
/// # Errors
/// It cannot be read, is no TOML, or asks for what only Spin has.
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
    fn state_dir_is_all_there_is() {
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
