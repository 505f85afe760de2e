//! The values of the component's variables: given on the command line, else by the environment, else by `.env`, else by default.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::manifest::{Manifest, VARIABLE_NAME, is_variable_name};

/// The prefix of environment variables that give a value to a variable of the application.
pub const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// Where values come from, besides the manifest's defaults. Looked at once, at start.
pub struct Sources<'a> {
    /// `NAME=VALUE` pairs of the command line.
    pub given: &'a BTreeMap<String, String>,
    /// The environment; injected, so that a test or a shim brings its own.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The pairs of the file `.env`.
    pub dotenv: &'a BTreeMap<String, String>,
}

/// What the component asks for at run time: its variables, expanded.
#[derive(Debug, Default)]
pub struct Variables {
    component: String,
    values: HashMap<String, String>,
}

/// Why a variable has no value: the cases of Spin's `variables` interface that can happen here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    InvalidName(String),
    Undefined(String),
}

impl Variables {
    /// Gives every variable of `manifest` its value.
    ///
    /// # Errors
    /// A given name that the manifest does not declare, a required variable without a value, or a bad template.
    pub fn resolve(manifest: &Manifest, sources: &Sources<'_>) -> Result<Self> {
        if let Some(unknown) = sources.given.keys().find(|name| !manifest.variables.contains_key(*name)) {
            let known = manifest.variables.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
            bail!("unknown variable `{unknown}`; the manifest declares `{known}`");
        }
        let mut application = HashMap::new();
        for (name, declaration) in &manifest.variables {
            let key = format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase());
            let value = sources.given.get(name).cloned();
            let value = value.or_else(|| (sources.environment)(&key)).or_else(|| sources.dotenv.get(&key).cloned());
            match value.or_else(|| declaration.default.clone()) {
                Some(value) => application.insert(name.as_str(), value),
                None if declaration.required => bail!(
                    "the variable `{name}` is required and has no value; give it with `--variable {name}=…` or {key}=… in the environment"
                ),
                None => None,
            };
        }
        let values = manifest.templates.iter().map(|(name, template)| {
            let value = expand(template, &application);
            let value = value.with_context(|| format!("the component's variable `{name}` = \"{template}\""))?;
            Ok((name.clone(), value))
        });
        Ok(Self { component: manifest.component.clone(), values: values.collect::<Result<_>>()? })
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str, Missing> {
        match self.values.get(name) {
            Some(value) => Ok(value),
            None if is_variable_name(name) => {
                Err(Missing::Undefined(format!("no variable for {:?}.{name:?}", self.component)))
            }
            None => Err(Missing::InvalidName(format!("{name:?}: expected {VARIABLE_NAME}"))),
        }
    }
}

/// Replaces each `{{ name }}` of `template` by the application's variable of that name.
fn expand(template: &str, application: &HashMap<&str, String>) -> Result<String> {
    let mut expanded = String::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            bail!("`{{{{` without its `}}}}`");
        };
        let name = name.trim();
        let Some(value) = application.get(name) else {
            bail!("no value for `{name}`; expected the name of a variable under `[variables]`");
        };
        expanded.push_str(literal);
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The pairs of the file `.env` in `folder`; none if there is no such file.
///
/// # Errors
/// The file cannot be read or is malformed.
pub fn read_dotenv(folder: &Path) -> Result<BTreeMap<String, String>> {
    let path = folder.join(".env");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let pairs = dotenvy::from_path_iter(&path).and_then(|pairs| pairs.collect());
    pairs.with_context(|| format!("cannot read `{}`, expected lines of NAME=VALUE", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> HashMap<&'static str, String> {
        HashMap::from([("version", "v9".to_owned()), ("greeting", "hello".to_owned())])
    }

    #[test]
    fn templates_expand() {
        for (template, value) in [
            ("{{ version }}", "v9"),
            ("{{version}}", "v9"),
            ("{{ greeting }} from {{ version }}!", "hello from v9!"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(expand(template, &application()).unwrap(), value, "{template}");
        }
    }

    #[test]
    fn a_bad_template_says_what_is_wrong() {
        assert!(expand("{{ version", &application()).unwrap_err().to_string().contains("without its"));
        assert!(expand("{{ other }}", &application()).unwrap_err().to_string().contains("no value for `other`"));
    }

    #[test]
    fn a_name_without_a_value_is_told_from_a_name_that_is_none() {
        let variables = Variables { component: "app".to_owned(), values: HashMap::new() };
        assert_eq!(variables.get("a_b"), Err(Missing::Undefined("no variable for \"app\".\"a_b\"".to_owned())));
        assert!(matches!(variables.get("A-b"), Err(Missing::InvalidName(_))));
    }
}
