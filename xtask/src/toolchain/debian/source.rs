//! Debian's source packages, on systems whose apt is configured for binary packages only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask_runner::{Runner, apt};

/// Where apt is told what comes from where.
const CONFIGURED: &str = "/etc/apt";

/// Unpacks the source of `package` below `folder`, and returns where. apt checks the signatures of those who sign the packages.
pub fn unpack(runner: &mut Runner, package: &str, folder: &Path) -> Result<PathBuf> {
    let [parts, lists] = ["sources", "lists"].map(|name| folder.join(name));
    fs::create_dir_all(lists.join("partial")).with_context(|| format!("cannot make {}", lists.display()))?;
    configure(&parts)?;
    let apt_get = |arguments: &[&str]| {
        let mut command = apt::apt_get(arguments);
        command.current_dir(folder);
        for (option, value) in [("Dir::Etc::SourceParts", &parts), ("Dir::State::Lists", &lists)] {
            command.arg(format!("--option={option}={}", value.display()));
        }
        // By default apt downloads as the user `_apt`, who cannot write here.
        command.args(["--option=Dir::Etc::SourceList=/dev/null", "--option=APT::Sandbox::User=root"]);
        // The system's caches belong to the system's lists.
        command.args(["--option=Dir::Cache::pkgcache=", "--option=Dir::Cache::srcpkgcache="]);
        command
    };
    runner.run("reading Debian's lists of sources", "", &mut apt_get(&["update"]))?;
    runner.run(&format!("downloading the source of {package}"), "", &mut apt_get(&["source", package]))?;
    let unpacked = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut unpacked = unpacked.filter(|path| path.join("debian").is_dir());
    unpacked.next().with_context(|| format!("apt-get unpacked no source of {package}"))
}

/// Fills the folder `parts` with the system's configuration, but for source packages. They come from the same places, and the
/// same keys sign them.
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
