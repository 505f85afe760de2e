//! One mount that containerd asks for. The function of `containerd-shim` for it forks, although the shim has threads, and leaves a
//! bind mount its devices.

use std::env::set_current_dir;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use containerd_shim::protos::api::Mount;
use rustix::mount::{MountFlags, mount, mount_remount};
use serde::{Deserialize, Serialize};

use super::NODEV;

/// How long the options may be for mount(2): a page, which is 4 KiB at least, with its end.
const LONGEST: usize = 4095;

/// Options that set flags (mount(8)).
const SET: [(&str, MountFlags); 13] = [
    ("bind", MountFlags::BIND),
    ("dirsync", MountFlags::DIRSYNC),
    ("mand", MountFlags::PERMIT_MANDATORY_FILE_LOCKING),
    ("noatime", MountFlags::NOATIME),
    (NODEV, MountFlags::NODEV),
    ("nodiratime", MountFlags::NODIRATIME),
    ("noexec", MountFlags::NOEXEC),
    ("nosuid", MountFlags::NOSUID),
    ("rbind", MountFlags::BIND.union(MountFlags::REC)),
    ("relatime", MountFlags::RELATIME),
    ("ro", MountFlags::RDONLY),
    ("strictatime", MountFlags::STRICTATIME),
    ("sync", MountFlags::SYNCHRONOUS),
];

/// Options that clear flags, or say what is so anyway.
const CLEARED: [(&str, MountFlags); 11] = [
    ("async", MountFlags::SYNCHRONOUS),
    ("atime", MountFlags::NOATIME),
    ("defaults", MountFlags::empty()),
    ("dev", MountFlags::NODEV),
    ("diratime", MountFlags::NODIRATIME),
    ("exec", MountFlags::NOEXEC),
    ("nomand", MountFlags::PERMIT_MANDATORY_FILE_LOCKING),
    ("norelatime", MountFlags::RELATIME),
    ("nostrictatime", MountFlags::STRICTATIME),
    ("rw", MountFlags::RDONLY),
    ("suid", MountFlags::NOSUID),
];

/// The option of an overlay with the layers of the image.
const LAYERS: &str = "lowerdir=";

/// A mount, in the form in which it is sent to the process that makes it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    kind: String,
    source: String,
    options: Vec<String>,
    target: PathBuf,
}

impl Request {
    /// What containerd asks for, at `target` and without devices.
    pub fn new(mount: &Mount, target: &Path) -> Self {
        let options = mount.options.iter().cloned().chain([NODEV.to_owned()]).collect();
        Self { kind: mount.type_.clone(), source: mount.source.clone(), options, target: target.to_owned() }
    }

    /// Mounts it. May change the current folder.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn mount(self) -> Result<()> {
        let (flags, mut options) = self.parsed();
        if options.join(",").len() > LONGEST
            && let Some(folder) = shorten(&mut options)
        {
            set_current_dir(&folder).with_context(|| format!("cannot enter `{}`", folder.display()))?;
        }
        let options = CString::new(options.join(","))?;
        let failed = || format!("cannot mount {} `{}` at `{}`", self.kind, self.source, self.target.display());
        mount(&self.source, &self.target, &self.kind, flags, &*options).with_context(failed)?;
        if flags.contains(MountFlags::BIND) {
            // The first call ignores all other flags (mount(2)).
            mount_remount(&self.target, flags.difference(MountFlags::REC), c"").with_context(failed)?;
        }
        Ok(())
    }

    /// The flags, and the options that are the file system's own.
    fn parsed(&self) -> (MountFlags, Vec<String>) {
        let (mut flags, mut options) = (MountFlags::empty(), Vec::new());
        let find = |table: &[(&str, MountFlags)], option| {
            table.iter().find(|(name, _)| *name == option).map(|(_, flag)| *flag)
        };
        for option in &self.options {
            if let Some(flag) = find(&SET, option) {
                flags |= flag;
            } else if let Some(flag) = find(&CLEARED, option) {
                flags -= flag;
            } else {
                options.push(option.clone());
            }
        }
        (flags, options)
    }
}

/// Makes the paths of the layers relative to the folder that is returned.
fn shorten(options: &mut [String]) -> Option<PathBuf> {
    let layers = options.iter_mut().find(|option| option.starts_with(LAYERS))?;
    let paths: Vec<_> = layers[LAYERS.len()..].split(':').map(Path::new).collect();
    let (first, others) = paths.split_first()?;
    let folder =
        first.ancestors().skip(1).find(|folder| others.iter().all(|path| path.starts_with(folder)))?.to_owned();
    let relative = paths.iter().map(|path| path.strip_prefix(&folder).ok()?.to_str()).collect::<Option<Vec<_>>>()?;
    *layers = format!("{LAYERS}{}", relative.join(":"));
    Some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(options: &[&str]) -> Request {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Request::new(&Mount { type_: "overlay".to_owned(), options, ..Mount::default() }, Path::new("/root"))
    }

    #[test]
    fn flags_are_told_from_the_file_systems_options() {
        let (flags, options) = request(&["index=off", "ro", "rbind", "dev", "lowerdir=/a:/b"]).parsed();
        assert_eq!(flags, MountFlags::RDONLY | MountFlags::BIND | MountFlags::REC | MountFlags::NODEV);
        assert_eq!(options, ["index=off", "lowerdir=/a:/b"]);
        assert_eq!(request(&["ro", "noatime", "rw", "atime"]).parsed().0, MountFlags::NODEV);
    }

    #[test]
    fn the_paths_of_many_layers_become_relative() {
        let paths: Vec<_> = (0..100).map(|number| format!("/var/lib/containerd/snapshots/{number}/fs")).collect();
        let mut options = vec!["index=off".to_owned(), format!("lowerdir={}", paths.join(":"))];
        assert_eq!(shorten(&mut options).unwrap(), Path::new("/var/lib/containerd/snapshots"));
        assert_eq!(options[0], "index=off");
        assert!(options[1].starts_with("lowerdir=0/fs:1/fs:2/fs:") && options[1].ends_with(":99/fs"), "{}", options[1]);
        assert_eq!(shorten(&mut ["upperdir=/a".to_owned()]), None);
    }
}
