//! A node's files: the shim's binary, containerd's configuration, and a copy of that from before the install.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result};

use crate::arguments::Version;
use crate::{BINARY, containerd};

/// Ends the name of the copy of the configuration from before the install.
const BACKUP: &str = "before-httpserver-shim";

/// Where things are on a node.
pub struct Node {
    binary: PathBuf,
    config: PathBuf,
    backup: PathBuf,
    version: Option<Version>,
}

/// What a person does after an install, and after an uninstall.
const THEN_INSTALLED: &str = "now type `systemctl restart containerd`: running pods stay";
const THEN_UNINSTALLED: &str =
    "now type `systemctl restart containerd`, on a node that was drained: pods of this shim end with it";

/// What to change, in order. Each action has a sentence that describes it.
#[derive(Debug)]
pub struct Plan {
    actions: Vec<(String, Action)>,
    /// What a person does after it.
    then: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Copy { from: PathBuf, to: PathBuf },
    Write { to: PathBuf, text: String },
    Remove(PathBuf),
}

impl Node {
    /// The node whose files are under `root`. Without `version`, containerd is asked for it if it is needed.
    pub fn in_dir(root: &Path, version: Option<Version>) -> Self {
        let config = root.join("etc/containerd/config.toml");
        Self {
            binary: root.join("usr/local/bin").join(BINARY),
            backup: config.with_extension(format!("toml.{BACKUP}")),
            config,
            version,
        }
    }

    /// Plans what gives the node the shim at `binary`.
    pub fn install(&self, binary: &Path) -> Result<Plan> {
        let mut actions = Vec::new();
        if read(binary)? != read(&self.binary)? {
            let said = format!("copy the shim to {}", self.binary.display());
            actions.push((said, Action::Copy { from: binary.to_owned(), to: self.binary.clone() }));
        }
        let present = self.config()?;
        let text = containerd::add(present.as_deref(), || self.version())
            .with_context(|| format!("cannot add the handler to {}", self.config.display()))?;
        if present.as_ref() != Some(&text) {
            if present.is_some() {
                let said = format!("keep {} as {}", self.config.display(), self.backup.display());
                actions.push((said, Action::Copy { from: self.config.clone(), to: self.backup.clone() }));
            }
            let said = format!("add the handler `spin` to {}", self.config.display());
            actions.push((said, Action::Write { to: self.config.clone(), text }));
        }
        Ok(Plan { actions, then: THEN_INSTALLED })
    }

    /// Plans what undoes [`Self::install`]. A configuration that was not changed since is restored byte for byte.
    pub fn uninstall(&self) -> Result<Plan> {
        let mut actions = Vec::new();
        let backup = read_text(&self.backup)?;
        if let Some(present) = self.config()? {
            let made = containerd::add(backup.as_deref(), || Version::from_config(&present)).ok();
            let without =
                containerd::remove(&present).with_context(|| format!("cannot read {}", self.config.display()))?;
            match (without, backup) {
                (None, _) => {}
                (Some(_), Some(backup)) if made.as_ref() == Some(&present) => {
                    let said = format!("make {} what it was", self.config.display());
                    actions.push((said, Action::Write { to: self.config.clone(), text: backup }));
                }
                (Some(_), None) if made.as_ref() == Some(&present) => {
                    let said = format!("remove {}, which is all ours", self.config.display());
                    actions.push((said, Action::Remove(self.config.clone())));
                }
                (Some(text), _) => {
                    let said = format!("remove the handler `spin` from {}", self.config.display());
                    actions.push((said, Action::Write { to: self.config.clone(), text }));
                }
            }
        }
        for path in [&self.backup, &self.binary] {
            if path.exists() {
                actions.push((format!("remove {}", path.display()), Action::Remove(path.clone())));
            }
        }
        Ok(Plan { actions, then: THEN_UNINSTALLED })
    }

    fn config(&self) -> Result<Option<String>> {
        read_text(&self.config)
    }

    fn version(&self) -> Result<Version> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let output = Command::new("containerd").arg("--version").output();
        let printed = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        Version::from_program(&printed).with_context(|| {
            format!(
                "there is no {}, and no `containerd` to ask for its version; give it: `--containerd 2`",
                self.config.display()
            )
        })
    }
}

impl Plan {
    /// Makes the changes.
    pub fn run(&self) -> Result<()> {
        self.actions.iter().try_for_each(|(said, action)| action.run().with_context(|| format!("cannot {said}")))
    }

    /// Prints the changes, and with `yes` makes them.
    pub fn apply(&self, yes: bool) -> Result<()> {
        if self.actions.is_empty() {
            println!("nothing to do");
            return Ok(());
        }
        for (said, _) in &self.actions {
            println!("{} {said}", if yes { "*" } else { "would" });
        }
        if yes {
            self.run()?;
        }
        println!("{}", if yes { self.then } else { "add --yes to do it" });
        Ok(())
    }
}

impl Action {
    fn run(&self) -> io::Result<()> {
        match self {
            Self::Copy { from, to } => replace(to, |temporary| fs::copy(from, temporary).map(drop)),
            Self::Write { to, text } => replace(to, |temporary| {
                // With the mode of what it replaces.
                if to.exists() {
                    fs::copy(to, temporary)?;
                }
                fs::write(temporary, text)
            }),
            Self::Remove(path) => fs::remove_file(path),
        }
    }
}

/// Writes a new file, then renames it to `path`: a program that runs from `path` goes on, and a reader never sees half a file.
fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("a file is in a folder"))?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    write(&temporary).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn read_text(path: &Path) -> Result<Option<String>> {
    read(path)?.map(String::from_utf8).transpose().with_context(|| format!("{} is not UTF-8 text", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# ours\nversion   =  3\n";

    struct Root {
        folder: tempfile::TempDir,
        node: Node,
    }

    impl Root {
        fn new(config: Option<&str>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("built"), "the shim").unwrap();
            let node = Node::in_dir(folder.path(), Some(Version::V1));
            if let Some(config) = config {
                fs::create_dir_all(node.config.parent().unwrap()).unwrap();
                fs::write(&node.config, config).unwrap();
            }
            Self { folder, node }
        }

        fn install(&self) -> Plan {
            self.node.install(&self.folder.path().join("built")).unwrap()
        }

        fn config(&self) -> Option<String> {
            self.node.config().unwrap()
        }
    }

    #[test]
    fn a_plan_alone_changes_nothing() {
        let root = Root::new(Some(CONFIG));
        root.install().apply(false).unwrap();
        assert_eq!(root.config().unwrap(), CONFIG);
        assert!(!root.node.binary.exists());
    }

    #[test]
    fn uninstall_restores_the_configuration_byte_for_byte() {
        for config in [None, Some(CONFIG)] {
            let root = Root::new(config);
            root.install().apply(true).unwrap();
            assert!(root.config().unwrap().contains("io.containerd.wasmtime-spin.v1"));
            assert_eq!(fs::read_to_string(&root.node.binary).unwrap(), "the shim");
            assert!(root.install().actions.is_empty(), "twice is once");
            // The configuration tells the version of containerd.
            let later = Node::in_dir(root.folder.path(), None);
            later.uninstall().unwrap().apply(true).unwrap();
            assert_eq!(root.config().as_deref(), config);
            assert!(!root.node.binary.exists() && !root.node.backup.exists());
            assert!(root.node.uninstall().unwrap().actions.is_empty());
        }
    }

    #[test]
    fn uninstall_keeps_what_others_changed() {
        let root = Root::new(Some(CONFIG));
        root.install().apply(true).unwrap();
        let changed = format!("{}\n[debug]\nlevel = \"debug\"\n", root.config().unwrap());
        fs::write(&root.node.config, changed).unwrap();
        root.node.uninstall().unwrap().apply(true).unwrap();
        let left = root.config().unwrap();
        assert!(left.contains("[debug]") && left.starts_with(CONFIG) && !left.contains("spin"), "{left}");
    }

    #[test]
    fn a_newer_shim_replaces_only_the_binary() {
        let root = Root::new(Some(CONFIG));
        root.install().apply(true).unwrap();
        fs::write(root.folder.path().join("built"), "newer").unwrap();
        let plan = root.install();
        assert!(matches!(plan.actions.as_slice(), [(_, Action::Copy { .. })]), "{plan:?}");
    }
}
