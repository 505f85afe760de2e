//! The values of the component's variables: from the command line, or else the environment, or else `.env`, or else the default.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::manifest::{Manifest, VARIABLE_NAME, is_variable_name};

/// The prefix of the environment variables that set a variable of the application.
pub const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// Where values come from, except the manifest's defaults. Each is read once, at start.
pub struct Sources<'a> {
    /// `NAME=VALUE` pairs of the command line.
    pub command_line: BTreeMap<String, String>,
    /// The environment, as a function: the shim passes that of the container.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The pairs of the file `.env`.
    pub dotenv: BTreeMap<String, String>,
}

impl<'a> Sources<'a> {
    /// Only the environment.
    pub fn environment(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { command_line: BTreeMap::new(), environment, dotenv: BTreeMap::new() }
    }
}

/// The values that the component can read.
#[derive(Debug, Default)]
pub struct Variables {
    component: String,
    values: HashMap<String, String>,
}

/// Why a variable has no value: the errors of Spin's `variables` interface that can happen here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum VariableError {
    InvalidName(String),
    Undefined(String),
}

impl Variables {
    /// Gives every variable of `manifest` its value.
    ///
    /// # Errors
    /// The command line names a variable that the manifest does not declare, a required variable has no value, or a template is bad.
    pub fn resolve(manifest: &Manifest, sources: &Sources<'_>) -> Result<Self> {
        if let Some(unknown) = sources.command_line.keys().find(|name| !manifest.variables.contains_key(*name)) {
            let known = manifest.variables.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            bail!("invalid variable \"{unknown}\": expected one that the manifest declares: {known}");
        }
        let mut application = HashMap::new();
        for (name, declaration) in &manifest.variables {
            let key = format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase());
            let value = sources.command_line.get(name).cloned();
            let value = value.or_else(|| (sources.environment)(&key)).or_else(|| sources.dotenv.get(&key).cloned());
            match value.or_else(|| declaration.default.clone()) {
                Some(value) => application.insert(name.as_str(), value),
                None if declaration.required => bail!(
                    "the variable `{name}` is required and has no value; set it with `--variable {name}=…` or {key}=… in the environment"
                ),
                None => None,
            };
        }
        let values = manifest.templates.iter().map(|(name, template)| {
            let value = expand(template, &application);
            let value = value
                .with_context(|| format!("invalid template \"{template}\" of the component's variable \"{name}\""))?;
            Ok((name.clone(), value))
        });
        Ok(Self { component: manifest.component.clone(), values: values.collect::<Result<_>>()? })
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str, VariableError> {
        match self.values.get(name) {
            Some(value) => Ok(value),
            None if is_variable_name(name) => {
                Err(VariableError::Undefined(format!("no variable for {:?}.{name:?}", self.component)))
            }
            None => Err(VariableError::InvalidName(format!("invalid name {name:?}: expected {VARIABLE_NAME}"))),
        }
    }
}

/// Replaces each `{{ name }}` of `template` by the application's variable of that name.
fn expand(template: &str, application: &HashMap<&str, String>) -> Result<String> {
    let mut expanded = String::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            bail!("expected `}}}}` after each `{{{{`, such as {{{{ version }}}}");
        };
        let name = name.trim();
        let Some(value) = application.get(name) else {
            bail!("expected a variable of [variables] that has a value, \"{name}\" is not one");
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
    pairs.with_context(|| {
        format!("cannot read `{}`: expected lines of NAME=VALUE, such as SPIN_VARIABLE_VERSION=v9", path.display())
    })
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
        assert!(expand("{{ version", &application()).unwrap_err().to_string().contains("expected `}}`"));
        assert!(expand("{{ other }}", &application()).unwrap_err().to_string().contains("\"other\" is not one"));
    }

    #[test]
    fn an_unknown_name_and_an_invalid_name_are_different_errors() {
        let variables = Variables { component: "app".to_owned(), values: HashMap::new() };
        assert_eq!(variables.get("a_b"), Err(VariableError::Undefined("no variable for \"app\".\"a_b\"".to_owned())));
        assert!(matches!(variables.get("A-b"), Err(VariableError::InvalidName(_))));
    }
}
