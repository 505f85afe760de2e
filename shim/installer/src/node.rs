//! A node's files: the shim's binary, containerd's configuration, and a copy of that from before the install.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, ensure};

use crate::arguments::Version;
use crate::durable::{self, Attributes};
use crate::{BINARY, containerd};

/// Ends the name of the copy of the configuration from before the install.
const BACKUP: &str = "before-httpserver-shim";

/// Where things are on a node.
pub struct Node {
    root: PathBuf,
    binary: PathBuf,
    /// Where the shim keeps compiled code.
    cache: PathBuf,
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

#[derive(Debug)]
enum Action {
    /// The shim's binary, which belongs to who installs it.
    Install {
        from: PathBuf,
        to: PathBuf,
    },
    /// The configuration as it is, with its owner and mode.
    Keep {
        from: PathBuf,
        to: PathBuf,
    },
    /// A new text, with the owner and mode of what it replaces.
    Write {
        to: PathBuf,
        text: String,
    },
    Remove(PathBuf),
    /// A folder with all that is in it.
    RemoveAll(PathBuf),
}

impl Node {
    /// The node whose files are under `root`. Without `version`, containerd is asked for it if it is needed.
    pub fn in_dir(root: &Path, version: Option<Version>) -> Self {
        let config = root.join("etc/containerd/config.toml");
        Self {
            root: root.to_owned(),
            binary: root.join("usr/local/bin").join(BINARY),
            cache: root.join("var/cache/httpserver-shim"),
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
            actions.push((said, Action::Install { from: binary.to_owned(), to: self.binary.clone() }));
        }
        let present = self.config()?;
        let text = containerd::add(present.as_deref(), || self.version())
            .with_context(|| format!("cannot add the handler to {}", self.config.display()))?;
        if present.as_ref() != Some(&text) {
            if present.is_some() {
                let said = format!("keep {} as {}", self.config.display(), self.backup.display());
                actions.push((said, Action::Keep { from: self.config.clone(), to: self.backup.clone() }));
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
        if self.cache.exists() {
            let said = format!("remove {}, the code that the shim compiled", self.cache.display());
            actions.push((said, Action::RemoveAll(self.cache.clone())));
        }
        Ok(Plan { actions, then: THEN_UNINSTALLED })
    }

    fn config(&self) -> Result<Option<String>> {
        // A link of a node that is mounted elsewhere may lead to a file of this system.
        let target = durable::follow(&self.config)?;
        if let (Ok(root), Ok(folder)) = (self.root.canonicalize(), target.with_file_name("").canonicalize()) {
            let (config, root_shown) = (self.config.display(), self.root.display());
            ensure!(folder.starts_with(root), "{config} is a link to {}, out of {root_shown}", target.display());
        }
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
            Self::Install { from, to } => durable::replace(
                to,
                &fs::read(from)?,
                &Attributes { mode: fs::metadata(from)?.permissions(), owner: None },
            ),
            Self::Keep { from, to } => durable::replace(to, &fs::read(from)?, &Attributes::for_file(from)?),
            Self::Write { to, text } => durable::replace(to, text.as_bytes(), &Attributes::for_file(to)?),
            Self::Remove(path) => durable::remove(path),
            Self::RemoveAll(path) => fs::remove_dir_all(path),
        }
    }
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
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

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

    fn owner(path: &Path) -> (u32, u32) {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
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
            // What the shim makes while it is there.
            fs::create_dir_all(&root.node.cache).unwrap();
            fs::write(root.node.cache.join("entry"), "code").unwrap();
            // The configuration tells the version of containerd.
            let later = Node::in_dir(root.folder.path(), None);
            later.uninstall().unwrap().apply(true).unwrap();
            assert_eq!(root.config().as_deref(), config);
            assert!(!root.node.binary.exists() && !root.node.backup.exists() && !root.node.cache.exists());
            assert!(root.node.uninstall().unwrap().actions.is_empty());
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_configuration_stays_a_link() {
        // To a file, and to none yet.
        for config in [None, Some(CONFIG)] {
            let root = Root::new(None);
            let managed = root.folder.path().join("managed");
            fs::create_dir_all(root.node.config.parent().unwrap()).unwrap();
            fs::create_dir(&managed).unwrap();
            symlink("../../managed/link", &root.node.config).unwrap();
            symlink(managed.join("config.toml"), managed.join("link")).unwrap();
            if let Some(config) = config {
                fs::write(managed.join("config.toml"), config).unwrap();
            }
            root.install().apply(true).unwrap();
            assert!(root.node.config.is_symlink() && managed.join("link").is_symlink());
            assert!(
                fs::read_to_string(managed.join("config.toml")).unwrap().contains("io.containerd.wasmtime-spin.v1")
            );
            root.node.uninstall().unwrap().apply(true).unwrap();
            assert!(root.node.config.is_symlink() && managed.join("link").is_symlink());
            assert_eq!(root.config().as_deref(), config);
            let left: Vec<_> = fs::read_dir(managed).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left.len(), 1 + usize::from(config.is_some()), "{left:?}");
        }
    }

    #[test]
    fn a_link_out_of_the_nodes_root_is_refused() {
        let elsewhere = tempfile::tempdir().unwrap();
        for target in ["there", "not-there"] {
            let root = Root::new(Some(CONFIG));
            fs::write(elsewhere.path().join("there"), CONFIG).unwrap();
            fs::remove_file(&root.node.config).unwrap();
            symlink(elsewhere.path().join(target), &root.node.config).unwrap();
            let error = root.node.install(&root.folder.path().join("built")).unwrap_err().to_string();
            assert!(error.contains("is a link to") && error.contains(target), "{error}");
        }
    }

    #[test]
    fn the_configuration_and_its_copy_keep_their_owner_and_mode() {
        let root = Root::new(Some(CONFIG));
        // Only root can give a file away.
        let (uid, gid) = chown(&root.node.config, Some(1234), Some(4321))
            .map_or_else(|_| owner(root.folder.path()), |()| (1234, 4321));
        fs::set_permissions(&root.node.config, fs::Permissions::from_mode(0o640)).unwrap();
        root.install().apply(true).unwrap();
        for path in [&root.node.config, &root.node.backup] {
            let mode = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!((owner(path), mode), ((uid, gid), 0o640), "{}", path.display());
        }
        root.node.uninstall().unwrap().apply(true).unwrap();
        assert_eq!(owner(&root.node.config), (uid, gid));
    }

    #[test]
    fn the_binary_is_the_installers_own_and_a_new_configuration_is_for_everybody() {
        let root = Root::new(None);
        let built = root.folder.path().join("built");
        chown(&built, Some(1234), Some(4321)).ok();
        fs::set_permissions(&built, fs::Permissions::from_mode(0o4755)).unwrap();
        root.install().apply(true).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&root.node.binary), mode(&root.node.config)), (0o755, 0o644));
        assert_eq!(owner(&root.node.binary), owner(root.folder.path()));
    }

    #[test]
    fn a_file_that_somebody_put_in_the_way_is_not_written() {
        let root = Root::new(Some(CONFIG));
        let victim = root.folder.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        for name in [format!("config.{}.new", std::process::id()), "config.toml.new".to_owned()] {
            symlink(&victim, root.node.config.with_file_name(name)).unwrap();
        }
        root.install().apply(true).unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "kept");
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
        assert!(matches!(plan.actions.as_slice(), [(_, Action::Install { .. })]), "{plan:?}");
    }
}
