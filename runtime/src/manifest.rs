//! `spin.toml`, manifest version 2: one HTTP component on the route `/...`.
//!
//! Everything else that Spin knows is refused, with its line: a manifest either runs as on Spin, or not at all.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use toml::Spanned;

/// The route that matches every path.
pub(crate) const ROUTE: &str = "/...";

/// The only key-value store.
pub(crate) const STORE: &str = "default";

/// A validated manifest.
#[derive(Debug)]
pub struct Manifest {
    /// The application's name.
    pub name: String,
    /// The application's version, empty if there is none.
    pub version: String,
    /// The name of the one component.
    pub component: String,
    /// The component's file: the manifest's folder joined with `source`.
    pub source: PathBuf,
    /// Whether the component may use the key-value store.
    pub uses_store: bool,
    /// The command that makes that file, for the error if it is missing.
    pub build_command: Option<String>,
    /// The application's variables by name.
    pub variables: BTreeMap<String, Declaration>,
    /// The component's variables by name: templates over the application's.
    pub templates: BTreeMap<String, String>,
}

/// One entry of `[variables]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The value if no other source has one.
    pub default: Option<String>,
    /// Whether it is an error at start if there is no value.
    #[serde(default)]
    pub required: bool,
    #[serde(default, rename = "secret")]
    _secret: bool,
}

impl Manifest {
    /// Reads and validates the manifest at `path`.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML (with line and column), or needs what only Spin has (with the line).
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the manifest `{}`; name one with `httpserver up --from path/to/spin.toml`",
                path.display()
            )
        })?;
        Self::from_text(&text, path)
    }

    /// Validates `text`, which was read from `path`.
    ///
    /// # Errors
    /// The text is not TOML (with line and column), or needs what only Spin has (with the line).
    pub fn from_text(text: &str, path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(text, folder).map_err(|problem| problem.in_file(path, text))
    }

    /// Reads the component's file.
    ///
    /// # Errors
    /// It is missing (with the command that makes it), or cannot be read.
    pub fn read_component(&self) -> Result<Vec<u8>> {
        let source = self.source.display();
        if !self.source.is_file() {
            let command = self.build_command.as_deref().unwrap_or("spin build");
            bail!("the component `{}` is not built: no file `{source}`; build it with `{command}`", self.component);
        }
        std::fs::read(&self.source).with_context(|| format!("cannot read the component `{source}`"))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, Problem> {
        let document: Document = toml::from_str(text).map_err(Problem::from_toml)?;
        check_version(&document.spin_manifest_version)?;
        let trigger = only_trigger(&document.trigger.http)?;
        let (name, component) = only_component(document.component, trigger)?;
        check_names(document.variables.keys().chain(component.variables.keys()))?;
        Ok(Self {
            name: document.application.name,
            version: document.application.version,
            component: name,
            source: folder.join(component.source),
            uses_store: !component.key_value_stores.is_empty(),
            build_command: component.build.map(|build| build.command),
            variables: unspanned(document.variables),
            templates: unspanned(component.variables),
        })
    }
}

fn check_version(version: &Spanned<toml::Value>) -> Result<(), Problem> {
    match version.as_ref() {
        toml::Value::Integer(2) => Ok(()),
        toml::Value::String(two) if two == "2" => Ok(()),
        other => {
            Err(Problem::new(version.span(), format!("invalid spin_manifest_version {}: expected 2", quoted(other))))
        }
    }
}

/// `value` in quotation marks, which a text has already.
fn quoted(value: &toml::Value) -> String {
    if value.is_str() { value.to_string() } else { format!("\"{value}\"") }
}

fn only_trigger(triggers: &[Spanned<HttpTrigger>]) -> Result<&HttpTrigger, Problem> {
    let [trigger] = triggers else {
        let second = triggers.get(1).map_or(0..0, Spanned::span);
        return Err(Problem::unsupported(
            second,
            format!("invalid number of HTTP triggers \"{}\": expected 1", triggers.len()),
        ));
    };
    let trigger = trigger.get_ref();
    if trigger.route.get_ref() != ROUTE {
        let found = format!("invalid route \"{}\": expected \"{ROUTE}\"", trigger.route.get_ref());
        return Err(Problem::unsupported(trigger.route.span(), found));
    }
    Ok(trigger)
}

fn only_component(
    components: BTreeMap<Spanned<String>, Component>,
    trigger: &HttpTrigger,
) -> Result<(String, Component), Problem> {
    let wanted = trigger.component.get_ref();
    if let Some(other) = components.keys().find(|name| name.get_ref() != wanted) {
        let found = format!("invalid component \"{}\": expected only the trigger's, \"{wanted}\"", other.get_ref());
        return Err(Problem::unsupported(other.span(), found));
    }
    let Some((name, component)) = components.into_iter().next() else {
        let missing =
            format!("invalid component \"{wanted}\" of the trigger: expected one with a table [component.{wanted}]");
        return Err(Problem::new(trigger.component.span(), missing));
    };
    if let Some(host) = component.allowed_outbound_hosts.first() {
        let found = format!("invalid outbound host \"{}\": expected none", host.get_ref());
        return Err(Problem::unsupported(host.span(), found));
    }
    if let Some(other) = component.key_value_stores.iter().find(|store| store.get_ref() != STORE) {
        let found = format!("invalid key-value store \"{}\": expected \"{STORE}\"", other.get_ref());
        return Err(Problem::unsupported(other.span(), found));
    }
    Ok((name.into_inner(), component))
}

fn check_names<'a>(mut names: impl Iterator<Item = &'a Spanned<String>>) -> Result<(), Problem> {
    names.find(|name| !is_variable_name(name.get_ref())).map_or(Ok(()), |name| {
        let wrong = format!("invalid name of a variable \"{}\": expected {VARIABLE_NAME}", name.get_ref());
        Err(Problem::new(name.span(), wrong))
    })
}

/// What [`is_variable_name`] accepts, in words.
pub(crate) const VARIABLE_NAME: &str =
    "a lower-case letter, then lower-case letters, digits and `_`, such as trusted_hops";

/// Whether Spin accepts `name` as the name of a variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn unspanned<V>(map: BTreeMap<Spanned<String>, V>) -> BTreeMap<String, V> {
    map.into_iter().map(|(name, value)| (name.into_inner(), value)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    spin_manifest_version: Spanned<toml::Value>,
    application: Application,
    #[serde(default)]
    variables: BTreeMap<Spanned<String>, Declaration>,
    trigger: Triggers,
    component: BTreeMap<Spanned<String>, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggers {
    http: Vec<Spanned<HttpTrigger>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTrigger {
    route: Spanned<String>,
    component: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    source: PathBuf,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default)]
    allowed_outbound_hosts: Vec<Spanned<String>>,
    #[serde(default)]
    key_value_stores: Vec<Spanned<String>>,
    #[serde(default)]
    variables: BTreeMap<Spanned<String>, String>,
    build: Option<Build>,
}

#[derive(Deserialize)]
struct Build {
    command: String,
}

/// An error in a manifest, and where it is: a range of bytes of its text.
struct Problem {
    span: Range<usize>,
    message: String,
}

impl Problem {
    fn new(span: Range<usize>, message: String) -> Self {
        Self { span, message }
    }

    fn unsupported(span: Range<usize>, found: String) -> Self {
        Self::new(
            span,
            format!("{found}; this runtime runs one HTTP component on one route, real Spin runs the rest: `spin up`"),
        )
    }

    fn from_toml(error: toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().to_owned();
        // Spin may know that key or that type of value.
        let maybe_spins = message.starts_with("unknown field") || message.starts_with("invalid type");
        if maybe_spins { Self::unsupported(span, message) } else { Self::new(span, message) }
    }

    fn in_file(self, path: &Path, text: &str) -> anyhow::Error {
        let before = &text[..self.span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        anyhow!("{}:{line}:{column}: {}", path.display(), self.message)
    }
}

#[cfg(test)]
mod tests;
