//! The files that decide what is served.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the component is built from: the files and folders that `spin.toml` names for `spin watch`, and what `build.rs` includes.
const COMPONENT: [&str; 6] = ["Cargo.lock", "Cargo.toml", "build.rs", "image/src/revision.rs", "src", "traceparent"];

/// What the server reads when it starts.
const SETTINGS: [&str; 2] = [".env", "spin.toml"];

/// All of these files, and when each was modified.
///
/// They are read again and again, a hundred files five times a second. That costs a thousandth of a core. Notifications of
/// the kernel (inotify) would save it, but they take a crate for each system, do not reach every file system, and report
/// the several steps in which editors save a file.
#[derive(PartialEq, Eq)]
pub struct Sources {
    component: Vec<(PathBuf, SystemTime)>,
    settings: Vec<(PathBuf, SystemTime)>,
}

impl Sources {
    /// Reads the modification times below `root`.
    pub fn read(root: &Path) -> Self {
        let all = |names: &[&str]| {
            let mut files = Vec::new();
            names.iter().for_each(|name| read(&root.join(name), &mut files));
            files
        };
        Self { component: all(&COMPONENT), settings: all(&SETTINGS) }
    }

    /// Whether the component has to be built again, after `self` was built.
    pub fn component_differs(&self, now: &Self) -> bool {
        self.component != now.component
    }
}

/// Adds the file `path`, or all files below that folder. One that is not there, or not any more, is left out.
fn read(path: &Path, files: &mut Vec<(PathBuf, SystemTime)>) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if !metadata.is_dir() {
        files.extend(metadata.modified().ok().map(|modified| (path.to_owned(), modified)));
        return;
    }
    let mut entries: Vec<_> =
        fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    entries.iter().for_each(|entry| read(entry, files));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn new_changed_and_removed_files_are_differences() {
        let root = std::env::temp_dir().join(format!("httpserver-xtask-sources-{}", std::process::id()));
        fs::create_dir_all(root.join("src/handlers")).unwrap();
        let file = root.join("src/handlers/a.rs");
        let first = Sources::read(&root);
        fs::write(&file, "one").unwrap();
        let new = Sources::read(&root);
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::open(&file).unwrap().set_modified(later).unwrap();
        let changed = Sources::read(&root);
        fs::remove_file(&file).unwrap();
        let removed = Sources::read(&root);
        fs::write(root.join("spin.toml"), "").unwrap();
        let settings = Sources::read(&root);
        fs::remove_dir_all(&root).unwrap();

        assert!(first.component_differs(&new) && new.component_differs(&changed));
        assert!(first == removed);
        assert!(removed != settings && !removed.component_differs(&settings));
    }
}
