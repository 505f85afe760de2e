//! `cargo xtask manifests`: an overlay, rendered for an image, a version and a host.

mod arguments;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{runner::Runner, tools, workspace};
pub use arguments::Arguments;

/// Renders to standard output, or to a file; in case of an error to neither.
pub fn run(runner: &mut Runner, arguments: &Arguments) -> Result<()> {
    let overlay = overlay(&arguments.overlay)?;
    let version = arguments.version()?;
    let kustomization = arguments.kustomization(&format!("../../../{overlay}"), version);
    let folder = Scratch::new(workspace::target().join("manifests").join(process::id().to_string()))?;
    let (input, rendered) = (folder.0.join("kustomization.yaml"), folder.0.join("rendered.yaml"));
    fs::write(&input, kustomization).with_context(|| format!("cannot write {}", input.display()))?;
    let mut kustomize = workspace::command(tools::KUSTOMIZE.path(runner)?);
    kustomize.arg("build").arg(&folder.0).arg("--output").arg(&rendered);
    runner.run(&format!("rendering {overlay}"), "", &mut kustomize)?;

    let rendered = fs::read(rendered)?;
    if let Some(host) = &arguments.host {
        let used = String::from_utf8_lossy(&rendered).contains(host.as_str());
        ensure!(used, "--host {host}: {overlay} has neither an Ingress nor an HTTPRoute that could have a host");
    }
    match &arguments.output {
        Some(path) => fs::write(path, rendered).with_context(|| format!("cannot write {}", path.display())),
        None => io::stdout().write_all(&rendered).context("cannot write to standard output"),
    }
}

/// The overlay's folder, relative to the root of this checkout.
fn overlay(name: &str) -> Result<String> {
    const FOLDER: &str = "manifests/overlays";
    let folder = workspace::root().join(FOLDER);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    names.sort();
    if !names.iter().any(|known| known == name) {
        bail!("{name:?} is no overlay; expected is one of {FOLDER}: {}", names.join(", "));
    }
    Ok(format!("{FOLDER}/{name}"))
}

/// A folder for one rendering, in `target/`: what a kustomization refers to must have a relative path.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        // Only if no other rendering is going on.
        let _ = fs::remove_dir(self.0.parent().unwrap_or(Path::new("")));
    }
}
