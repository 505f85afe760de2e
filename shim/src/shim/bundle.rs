//! The input of containerd for one container: the bundle with `config.json`, an OCI specification.
//!
//! If the specification has no list for a set of capabilities, libcontainer keeps that set. If it has no `HOME`, libcontainer asks
//! the C library, which may run code of the image. So the shim completes the specification before libcontainer reads it.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, LinuxNamespace, LinuxNamespaceType, Process, Spec};

use crate::image_root::ImageRoot;
use crate::shim::home;

const CONFIG: &str = "config.json";

/// A folder that containerd made for one container.
pub struct Bundle {
    /// The folder.
    pub folder: PathBuf,
    /// Its specification.
    pub spec: Spec,
}

impl Bundle {
    /// The bundle in `folder`.
    ///
    /// # Errors
    /// Its `config.json` cannot be read.
    pub fn read(folder: PathBuf) -> Result<Self> {
        let spec = Spec::load(folder.join(CONFIG)).context("cannot read the container's config.json")?;
        Ok(Self { folder, spec })
    }

    /// Where the container's root file system is mounted.
    ///
    /// # Errors
    /// The specification has no root.
    pub fn root(&self) -> Result<PathBuf> {
        let root = self.spec.root().as_ref().context("the container's config.json has no `root`")?;
        Ok(self.folder.join(root.path()))
    }

    /// # Errors
    /// The container is to have a user namespace: then the user of a file in the image is not the one that the shim sees, and the
    /// root has to be mounted with other users.
    pub fn refuse_user_namespace(&self) -> Result<()> {
        let namespaces = self.spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
        let mut kinds = namespaces.into_iter().flatten().map(LinuxNamespace::typ);
        let has_none = kinds.all(|kind| kind != LinuxNamespaceType::User);
        ensure!(has_none, "a user namespace is not supported: remove `hostUsers: false` from the pod");
        Ok(())
    }

    /// Completes the specification, and so the file that libcontainer reads: no capability that is not listed, and the `HOME` of
    /// the user in `root`.
    ///
    /// # Errors
    /// There is no process, `HOME` cannot be found, or the file cannot be written.
    pub fn make_explicit(&mut self, root: &ImageRoot) -> Result<()> {
        let process = self.spec.process_mut().as_mut().context("the container's config.json has no `process`")?;
        list_capabilities(process);
        set_home(process, root)?;
        self.write()
    }

    /// Replaces the file in one step: a reader finds the old one or the new one.
    fn write(&self) -> Result<()> {
        let path = self.folder.join(CONFIG);
        let unfinished = path.with_extension("json.unfinished");
        let write = || -> Result<()> {
            serde_json::to_writer(File::create(&unfinished)?, &self.spec)?;
            Ok(fs::rename(&unfinished, &path)?)
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))
    }
}

/// Gives each of the five sets a list: if containerd gives none, it means an empty one (runtime specification, `process`).
fn list_capabilities(process: &mut Process) {
    let given = process.capabilities().clone();
    let list = |set: fn(&LinuxCapabilities) -> &Option<Capabilities>| {
        Some(given.as_ref().and_then(|given| set(given).clone()).unwrap_or_default())
    };
    let mut lists = LinuxCapabilities::default();
    lists.set_bounding(list(LinuxCapabilities::bounding));
    lists.set_effective(list(LinuxCapabilities::effective));
    lists.set_permitted(list(LinuxCapabilities::permitted));
    lists.set_inheritable(list(LinuxCapabilities::inheritable));
    lists.set_ambient(list(LinuxCapabilities::ambient));
    process.set_capabilities(Some(lists));
}

fn set_home(process: &mut Process, root: &ImageRoot) -> Result<()> {
    let mut environment = process.env().clone().unwrap_or_default();
    if environment.iter().any(|variable| variable.starts_with("HOME=")) {
        return Ok(());
    }
    environment.push(format!("HOME={}", home::for_user(root, process.user().uid())?));
    process.set_env(Some(environment));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The process in the completed file for this `process`, with an image in which the home of user 5 is /app.
    fn explicit(process: Value) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("rootfs/etc");
        fs::create_dir_all(&image).unwrap();
        fs::write(image.join("passwd"), "app:x:5:5::/app:\n").unwrap();
        let config = json!({"ociVersion": "1.1.0", "root": {"path": "rootfs"}, "process": process});
        fs::write(folder.path().join(CONFIG), config.to_string()).unwrap();
        let mut bundle = Bundle::read(folder.path().to_owned()).unwrap();
        bundle.make_explicit(&ImageRoot::open(&bundle.root().unwrap()).unwrap()).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        let written: Value = serde_json::from_slice(&fs::read(folder.path().join(CONFIG)).unwrap()).unwrap();
        written["process"].clone()
    }

    #[test]
    fn a_user_namespace_is_refused() {
        let refused = |kinds: &[&str]| {
            let namespaces: Vec<_> = kinds.iter().map(|kind| json!({"type": kind})).collect();
            let spec = json!({"ociVersion": "1.1.0", "linux": {"namespaces": namespaces}});
            Bundle { folder: PathBuf::new(), spec: serde_json::from_value(spec).unwrap() }.refuse_user_namespace()
        };
        refused(&["pid", "mount"]).unwrap();
        assert!(refused(&["pid", "user"]).unwrap_err().to_string().contains("`hostUsers: false`"));
    }

    #[test]
    fn no_list_of_capabilities_is_left_out() {
        let user = json!({"uid": 5, "gid": 5});
        let none = json!({"bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": []});
        assert_eq!(explicit(json!({"cwd": "/", "user": user}))["capabilities"], none);
        assert_eq!(explicit(json!({"cwd": "/", "user": user, "capabilities": {}}))["capabilities"], none);
        let one = explicit(json!({"cwd": "/", "user": user, "capabilities": {"bounding": ["CAP_CHOWN"]}}));
        assert_eq!(one["capabilities"]["bounding"], json!(["CAP_CHOWN"]));
        assert_eq!(one["capabilities"]["effective"], json!([]));
    }

    #[test]
    fn home_is_the_environments_or_the_users() {
        let environment = |uid: u32, env: &[&str]| {
            explicit(json!({"cwd": "/", "user": {"uid": uid, "gid": 5}, "env": env}))["env"].clone()
        };
        assert_eq!(environment(5, &["A=b"]), json!(["A=b", "HOME=/app"]));
        assert_eq!(environment(6, &[]), json!(["HOME=/"]));
        assert_eq!(environment(5, &["HOME=/else"]), json!(["HOME=/else"]));
    }
}
