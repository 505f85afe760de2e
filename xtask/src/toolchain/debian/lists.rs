//! Debian's packages that the system's own lists do not have: those of sources, and those for other processors.
//!
//! apt reads lists of its own, in a folder that goes when they were used. They come from the same places as the system's, and the
//! same keys sign them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xtask_runner::{Runner, apt};

use crate::toolchain::architecture::Architecture;

/// Where apt is told what comes from where.
const CONFIGURED: &str = "/etc/apt";

/// Lists in a folder.
pub struct Lists {
    folder: PathBuf,
    options: Vec<String>,
}

impl Lists {
    /// Those of source packages, in the new folder `folder`.
    pub fn of_sources(runner: &mut Runner, folder: &Path) -> Result<Self> {
        let parts = folder.join("sources");
        configure(&parts)?;
        let places =
            [format!("Dir::Etc::SourceParts={}", parts.display()), "Dir::Etc::SourceList=/dev/null".to_owned()];
        Self::read(runner, folder, "reading Debian's lists of sources", places)
    }

    /// Those of packages for `architecture`, in the new folder `folder`.
    pub fn of_packages(runner: &mut Runner, folder: &Path, architecture: Architecture) -> Result<Self> {
        let name = architecture.debian();
        let places = ["APT::Architecture", "APT::Architectures"].map(|option| format!("{option}={name}"));
        Self::read(runner, folder, &format!("reading Debian's lists for {name}"), places)
    }

    fn read(runner: &mut Runner, folder: &Path, what: &str, places: [String; 2]) -> Result<Self> {
        let lists = folder.join("lists");
        fs::create_dir_all(lists.join("partial")).with_context(|| format!("cannot make {}", lists.display()))?;
        let mut options = vec![
            format!("Dir::State::Lists={}", lists.display()),
            // By default apt downloads as the user `_apt`, who cannot write here.
            "APT::Sandbox::User=root".to_owned(),
            // The system's caches belong to the system's lists.
            "Dir::Cache::pkgcache=".to_owned(),
            "Dir::Cache::srcpkgcache=".to_owned(),
        ];
        options.extend(places);
        let lists = Self { folder: folder.to_owned(), options };
        runner.run(what, "", &mut lists.apt_get(&["update"]))?;
        Ok(lists)
    }

    /// `apt-get ARGUMENTS` with these lists, in their folder.
    pub fn apt_get(&self, arguments: &[&str]) -> Command {
        let mut command = apt::apt_get(arguments);
        command.current_dir(&self.folder).args(self.options.iter().map(|option| format!("--option={option}")));
        command
    }
}

/// Fills the folder `parts` with the system's configuration, but for source packages.
fn configure(parts: &Path) -> Result<()> {
    let system = Path::new(CONFIGURED);
    let more = fs::read_dir(system.join("sources.list.d")).into_iter().flatten();
    let files = more.filter_map(|entry| Some(entry.ok()?.path())).chain([system.join("sources.list")]);
    fs::create_dir_all(parts).with_context(|| format!("cannot make {}", parts.display()))?;
    for file in files.filter(|file| file.is_file()) {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let copy = parts.join(file.file_name().expect("a file has a name"));
        fs::write(&copy, for_sources(&text)).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(())
}

/// The same places, of sources instead of packages, in either format of apt's: one line for each, or a paragraph.
fn for_sources(text: &str) -> String {
    let entry = |line: &str| match line.split_once(char::is_whitespace) {
        Some(("deb", place)) => format!("deb-src {place}\n"),
        Some(("Types:", _)) => "Types: deb-src\n".to_owned(),
        _ => format!("{line}\n"),
    };
    text.lines().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_apt_name_the_same_places_for_sources() {
        let lines = "# deb\ndeb [signed-by=/k.gpg] http://a.example/debian bookworm main\n";
        let expected = "# deb\ndeb-src [signed-by=/k.gpg] http://a.example/debian bookworm main\n";
        assert_eq!(for_sources(lines), expected);
        let paragraph = "Types: deb deb-src\nURIs: http://a.example/debian\nSigned-By: /k.gpg\n";
        let expected = "Types: deb-src\nURIs: http://a.example/debian\nSigned-By: /k.gpg\n";
        assert_eq!(for_sources(paragraph), expected);
    }
}
