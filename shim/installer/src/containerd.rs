//! containerd's configuration: the handler `spin`, added and removed without touching anything else.

use anyhow::{Context, Result, bail, ensure};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::arguments::Version;

/// The handler's name, as `runtimeclass/` has it.
const HANDLER: &str = "spin";

/// What makes containerd look for our binary.
const RUNTIME_TYPE: &str = "io.containerd.wasmtime-spin.v1";

/// containerd's own handler, for every pod without a RuntimeClass.
const DEFAULT: (&str, &str) = ("runc", "io.containerd.runc.v2");

impl Version {
    /// The one that `containerd --version` prints.
    pub fn from_program(printed: &str) -> Option<Self> {
        let version = printed
            .split_whitespace()
            .find(|word| word.trim_start_matches('v').contains('.') && !word.contains('/'))?;
        match version.trim_start_matches('v').split('.').next()? {
            "1" => Some(Self::V1),
            "2" => Some(Self::V2),
            _ => None,
        }
    }

    /// The version of the configuration files that it writes.
    fn config(self) -> i64 {
        match self {
            Self::V1 => 2,
            Self::V2 => 3,
        }
    }

    /// The plugin that starts containers for the kubelet.
    fn plugin(self) -> &'static str {
        match self {
            Self::V1 => "io.containerd.grpc.v1.cri",
            Self::V2 => "io.containerd.cri.v1.runtime",
        }
    }

    /// The one that the text of a configuration is for.
    pub fn from_config(config: &str) -> Result<Self> {
        Self::from_document(&parse(config)?)
    }

    /// The one that a configuration is for; containerd 2 reads version 2 as well.
    fn from_document(document: &DocumentMut) -> Result<Self> {
        match document.get("version").and_then(Item::as_integer) {
            Some(2) => Ok(Self::V1),
            Some(3 | 4) => Ok(Self::V2),
            found => {
                let found = found.map_or_else(|| "none".to_owned(), |version| version.to_string());
                bail!("the configuration's `version` is {found}, expected 2 to 4; type `containerd config migrate`")
            }
        }
    }
}

/// Adds our handler to a configuration. One that has it already stays as it is.
///
/// `version` is called only if there is no configuration yet.
///
/// # Errors
/// The version is unknown, the text is not TOML, or the handler belongs to another shim.
pub fn add(text: Option<&str>, version: impl FnOnce() -> Result<Version>) -> Result<String> {
    let mut document = match text {
        Some(text) => parse(text)?,
        None => parse(&format!("version = {}\n", version()?.config()))?,
    };
    let version = Version::from_document(&document)?;
    let mut table = document.as_table_mut();
    let systemd = uses_systemd(table, version);
    for key in ["plugins", version.plugin(), "containerd", "runtimes"] {
        let entry = table.entry(key).or_insert_with(|| {
            let mut parent = Table::new();
            parent.set_implicit(true);
            Item::Table(parent)
        });
        table = entry.as_table_mut().with_context(|| format!("`{key}` is not a table, expected one"))?;
    }
    if let Some(present) = table.get(HANDLER) {
        let found = present.get("runtime_type").and_then(Item::as_str).unwrap_or("none");
        ensure!(
            found == RUNTIME_TYPE,
            "there is a handler `{HANDLER}` already, its runtime_type is {found}, expected none or {RUNTIME_TYPE}: it is \
             somebody else's; remove it first, or give ours another name by hand"
        );
        return Ok(text.unwrap_or_default().to_owned());
    }
    // containerd 1 knows runc only until the file names any handler: with ours alone it would start no pod at all.
    if version == Version::V1 && table.is_empty() {
        table[DEFAULT.0] = Item::Table(handler(DEFAULT.1));
    }
    let mut handler = handler(RUNTIME_TYPE);
    if systemd {
        let mut options = Table::new();
        options["SystemdCgroup"] = value(true);
        handler["options"] = Item::Table(options);
    }
    table[HANDLER] = Item::Table(handler);
    Ok(document.to_string())
}

fn handler(runtime_type: &str) -> Table {
    let mut handler = Table::new();
    handler["runtime_type"] = value(runtime_type);
    handler
}

/// Removes our handler from a configuration; `None` if it does not have it.
///
/// # Errors
/// The text is not TOML.
pub fn remove(text: &str) -> Result<Option<String>> {
    let mut document = parse(text)?;
    let version = Version::from_document(&document)?;
    let Some(runtimes) = document
        .get_mut("plugins")
        .and_then(|item| item.get_mut(version.plugin()))
        .and_then(|item| item.get_mut("containerd")?.get_mut("runtimes")?.as_table_mut())
    else {
        return Ok(None);
    };
    if runtimes.get(HANDLER).and_then(|handler| handler.get("runtime_type")?.as_str()) != Some(RUNTIME_TYPE) {
        return Ok(None);
    }
    runtimes.remove(HANDLER);
    Ok(Some(document.to_string()))
}

/// Whether systemd makes the cgroups of containers. All handlers must agree, so runc's setting decides.
fn uses_systemd(document: &Table, version: Version) -> bool {
    let runc = document
        .get("plugins")
        .and_then(|item| item.get(version.plugin())?.get("containerd")?.get("runtimes")?.get("runc"));
    runc.and_then(|runc| runc.get("options")?.get("SystemdCgroup")?.as_bool()) == Some(true)
}

fn parse(text: &str) -> Result<DocumentMut> {
    text.parse().context("it is not TOML")
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = r#"# kept
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2" # kept too
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
[debug]
level = "info"
"#;

    fn add_to(text: &str) -> Result<String> {
        add(Some(text), || unreachable!("the file says which version"))
    }

    fn handler(text: &str, plugin: &str) -> Option<Item> {
        Some(
            parse(text).unwrap().get("plugins")?.get(plugin)?.get("containerd")?.get("runtimes")?.get(HANDLER)?.clone(),
        )
    }

    #[test]
    fn each_version_has_its_own_key_and_keeps_its_default() {
        let v1 = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\n";
        for (version, number, plugin, default) in
            [(Version::V1, 2, "io.containerd.grpc.v1.cri", v1), (Version::V2, 3, "io.containerd.cri.v1.runtime", "")]
        {
            let expected = format!(
                "version = {number}\n\n{default}[plugins.\"{plugin}\".containerd.runtimes.spin]\nruntime_type = \"{RUNTIME_TYPE}\"\n"
            );
            assert_eq!(add(None, || Ok(version)).unwrap(), expected);
            assert_eq!(add_to(&format!("version = {number}\n")).unwrap(), expected);
        }
        assert!(handler(&add_to("version = 4\n").unwrap(), "io.containerd.cri.v1.runtime").is_some());
    }

    #[test]
    fn install_keeps_other_settings_and_uninstall_restores_the_file() {
        let added = add_to(V2).unwrap();
        for line in V2.lines() {
            assert!(added.contains(line), "{added}");
        }
        let handler = handler(&added, "io.containerd.grpc.v1.cri").unwrap();
        assert_eq!(handler["options"]["SystemdCgroup"].as_bool(), Some(true), "as runc has it");
        assert_eq!(add_to(&added).unwrap(), added, "twice is once");
        assert_eq!(remove(&added).unwrap().unwrap(), V2);
        assert_eq!(remove(V2).unwrap(), None);
    }

    #[test]
    fn a_handler_of_another_shim_is_left_alone() {
        let foreign = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.spin]\n\
                       runtime_type = 'io.containerd.spin.v2'\n";
        let error = add_to(foreign).unwrap_err().to_string();
        assert!(error.contains("io.containerd.spin.v2") && error.contains("somebody else's"), "{error}");
        assert_eq!(remove(foreign).unwrap(), None);
    }

    #[test]
    fn a_configuration_of_another_version_is_refused() {
        for text in ["", "version = 1\n", "version = 5\n"] {
            let error = add_to(text).unwrap_err().to_string();
            assert!(error.contains("expected 2 to 4"), "{error}");
        }
        add_to("version = ").unwrap_err();
    }

    #[test]
    fn the_program_says_its_version() {
        assert_eq!(
            Version::from_program("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3"),
            Some(Version::V1)
        );
        assert_eq!(
            Version::from_program("containerd github.com/containerd/containerd v1.7.27 05044ec"),
            Some(Version::V1)
        );
        assert_eq!(
            Version::from_program("containerd github.com/containerd/containerd/v2 v2.4.2 abc"),
            Some(Version::V2)
        );
        assert_eq!(Version::from_program("containerd"), None);
    }
}
