//! The variables that the repository's `spin.toml` declares. That `src/config.rs` has the same is tested there.

use std::collections::BTreeMap;
use std::fs;

use crate::artifacts;

/// Those of earlier versions: `/readyz` refuses each value of them, so neither a page nor a manifest nor the chart has them.
const REPLACED: [&str; 2] = ["log_level", "log_format"];

/// Name and default of each.
///
/// # Panics
/// `spin.toml` cannot be read, or a variable has no default.
#[must_use]
pub fn declared() -> BTreeMap<String, String> {
    let text = fs::read_to_string(artifacts::manifest()).expect("the repository has a spin.toml");
    let manifest: toml::Table = text.parse().expect("the repository's spin.toml is valid");
    let declared = manifest["variables"].as_table().expect("it declares variables").iter();
    declared.map(|(name, it)| (name.clone(), it["default"].as_str().expect("a default").to_owned())).collect()
}

/// Name and default of each that an operator may set.
///
/// # Panics
/// As [`declared`]; or one of an earlier version is not declared any more, or with a default.
#[must_use]
pub fn for_operators() -> BTreeMap<String, String> {
    let mut variables = declared();
    for name in REPLACED {
        assert_eq!(variables.remove(name).as_deref(), Some(""), "{name} is declared for its error");
    }
    variables
}

/// The environment variable that sets one.
#[must_use]
pub fn in_environment(name: &str) -> String {
    format!("SPIN_VARIABLE_{}", name.to_uppercase())
}
