//! `cargo xtask manifests`: an overlay, rendered for an image, a version and a hostname.

mod arguments;
mod request;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use arguments::Arguments;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use request::Request;
use xtask_runner::Runner;

/// Renders an overlay of manifests/, for `kubectl apply -f -`
#[derive(Parser)]
#[command(bin_name = "cargo xtask manifests", disable_version_flag = true)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,

    /// The root of the checkout
    #[arg(long, value_name = "FOLDER", default_value = ".", hide = true)]
    root: PathBuf,

    /// kustomize
    #[arg(long, value_name = "FILE", default_value = "kustomize", hide = true)]
    kustomize: PathBuf,

    /// Show kustomize's own output and command line, not only when it fails
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let request = Request::new(&cli.arguments).unwrap_or_else(|error| {
        Cli::command().error(ErrorKind::ValueValidation, format!("{error:#}")).exit();
    });
    match run(&cli, &request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Renders to standard output, or to a file; in case of an error to neither.
fn run(cli: &Cli, request: &Request) -> Result<()> {
    let overlay = overlay(&cli.root, &cli.arguments.overlay)?;
    let folder = Scratch::new(cli.root.join("target/manifests").join(process::id().to_string()))?;
    let (input, rendered) = (folder.0.join("kustomization.yaml"), folder.0.join("rendered.yaml"));
    let kustomization = request.kustomization(&format!("../../../{overlay}"));
    fs::write(&input, kustomization).with_context(|| format!("cannot write {}", input.display()))?;
    let mut kustomize = Command::new(&cli.kustomize);
    kustomize.arg("build").arg(&folder.0).arg("--output").arg(&rendered);
    Runner::new(cli.verbose).run(&format!("rendering {overlay}"), "", &mut kustomize)?;

    let rendered = fs::read(rendered)?;
    if let Some(host) = &request.host {
        let used = String::from_utf8_lossy(&rendered).contains(host.as_str());
        ensure!(used, "--host {host}: {overlay} has neither an Ingress nor an HTTPRoute that could have a host");
    }
    match &cli.arguments.output {
        Some(path) => fs::write(path, rendered).with_context(|| format!("cannot write {}", path.display())),
        None => io::stdout().write_all(&rendered).context("cannot write to standard output"),
    }
}

/// The overlay's folder, relative to the root of this checkout.
fn overlay(root: &Path, name: &str) -> Result<String> {
    const FOLDER: &str = "manifests/overlays";
    let folder = root.join(FOLDER);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    names.sort();
    if !names.iter().any(|known| known == name) {
        bail!("invalid overlay {name:?}: expected a folder in {FOLDER}: {}", names.join(", "));
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
