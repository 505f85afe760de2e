//! The cluster's programs, built from Go modules into a cache folder: a Kubernetes without any container registry.

mod lego;
mod module;
pub mod node;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xtask_runner::Runner;

use crate::command::output;
use crate::image::{self, Image};
use module::{MODULES, Module};

/// The images of the nodes, each with one static program: the file in the folder of its module, and the name of the image.
pub const IMAGES: [(&str, &str); 4] = [
    ("pause", "localhost/pause:1"),
    ("coredns", "localhost/coredns:1"),
    ("metrics-server", "localhost/metrics-server:1"),
    ("traefik", "localhost/traefik:1"),
];

/// The Go module with the source of `pause`.
const KUBERNETES: &str = "k8s.io/kubernetes";

/// The file next to `traefik` with the CRDs of the Gateway API, of the version that this Traefik implements.
pub const GATEWAY_API: &str = "gateway-api.yaml";

/// Where the built programs are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tools {
    /// Folder of each module, by its name.
    folders: BTreeMap<String, PathBuf>,
}

impl Tools {
    /// The programs in `cache`. Those that are missing are built first, which takes minutes.
    ///
    /// # Errors
    /// If Go is missing or too old, or a build fails.
    pub fn build(cache: &Path, runner: &mut Runner) -> Result<Self> {
        let _lock = locked(cache)?;
        let mut folders = BTreeMap::new();
        for module in &MODULES {
            let folder = folder(cache, module);
            if !folder.is_dir() {
                build(module, &folder, runner)?;
            }
            folders.insert(module.name.to_owned(), folder);
        }
        Ok(Self { folders })
    }

    /// Whether [`Self::build`] has nothing to do.
    pub fn are_built(cache: &Path) -> bool {
        MODULES.iter().all(|module| folder(cache, module).is_dir())
    }

    /// The program `name`, or another file next to one.
    ///
    /// # Panics
    /// If no module has it.
    pub fn file(&self, name: &str) -> PathBuf {
        let mut files = self.folders.values().map(|folder| folder.join(name));
        files.find(|file| file.is_file()).unwrap_or_else(|| panic!("no module of tests/cluster/tools makes {name}"))
    }

    /// A search path with all programs, before the machine's own folders.
    pub fn path(&self, first: Option<&Path>) -> OsString {
        let system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
        let folders = first.map(Path::to_path_buf).into_iter().chain(self.folders.values().cloned()).chain(system);
        env::join_paths(folders).expect("a cache folder has no colon in its name")
    }

    /// The folders themselves.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.values().map(PathBuf::as_path)
    }
}

/// Makes the folder `cache`, and locks it as long as the result lives: two checkouts that build at the same time wait for each other.
fn locked(cache: &Path) -> Result<File> {
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::open(cache).with_context(|| format!("cannot open {}", cache.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", cache.display()))?;
    Ok(lock)
}

/// Where the programs of `module` are.
fn folder(cache: &Path, module: &Module) -> PathBuf {
    cache.join(format!("{}-{}", module.name, module.key()))
}

/// Builds in a temporary folder and renames it to `folder`, so that `folder` is always complete.
fn build(module: &Module, folder: &Path, runner: &mut Runner) -> Result<()> {
    let unfinished = unfinished(folder)?;
    let source = unfinished.join("source");
    write(module, &source)?;
    if module.name == "traefik" {
        lego::prune(&source)?;
    }
    let what = format!("building {} {}", module.name, module.version());
    runner.run(&what, &format!("once, {}", module.takes), &mut go_build(module, &source, &unfinished))?;
    match module.name {
        "kubernetes" => pause("gcc", &source, &unfinished, runner)?,
        "traefik" => gateway_api(&source, &unfinished)?,
        _ => {}
    }
    for (program, name) in IMAGES.iter().filter(|(program, _)| unfinished.join(program).is_file()) {
        let image = Image::from_program(name, &unfinished.join(program))?;
        image::archive(&[image], &archive(&unfinished, program))?;
    }
    fs::remove_dir_all(&source)?;
    fs::rename(&unfinished, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// The folder in which what is to be `folder` is made, empty.
fn unfinished(folder: &Path) -> Result<PathBuf> {
    let unfinished = folder.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    Ok(unfinished)
}

/// Writes the files of `module` into the new folder `source`.
fn write(module: &Module, source: &Path) -> Result<()> {
    fs::create_dir_all(source).with_context(|| format!("cannot make {}", source.display()))?;
    for (name, text) in module.files {
        fs::write(source.join(name), text)?;
    }
    Ok(())
}

/// Go, which builds the programs of the module in `source` into `folder`.
fn go_build(module: &Module, source: &Path, folder: &Path) -> Command {
    let mut go = go(source);
    go.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &module.ldflags()]);
    // The slash at its end makes it a folder, also if only one program is built.
    go.arg("-o").arg(folder.join(module.program.unwrap_or(""))).arg(module.package);
    go
}

/// The OCI archive of `program`, next to it.
pub fn archive(folder: &Path, program: &str) -> PathBuf {
    folder.join(format!("{program}.tar"))
}

/// Compiles the program that keeps a pod's namespaces open: one C file in the module of Kubernetes.
fn pause(gcc: &str, source: &Path, folder: &Path, runner: &mut Runner) -> Result<()> {
    let code = module_folder(source, KUBERNETES)?.join("build/pause/linux/pause.c");
    let mut gcc = Command::new(gcc);
    gcc.args(["-Os", "-static", "-DVERSION=1", "-o"]).arg(folder.join("pause")).arg(code);
    runner.run("compiling pause", "", &mut gcc)
}

/// The CRDs, of the version that Traefik's own go.mod names: all files of the channel `standard` in one.
fn gateway_api(source: &Path, folder: &Path) -> Result<()> {
    let crds = module_folder(source, "sigs.k8s.io/gateway-api")?.join("config/crd/standard");
    let mut all = String::new();
    for entry in fs::read_dir(&crds).with_context(|| format!("cannot read {}", crds.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "yaml") {
            all.push_str("---\n");
            all.push_str(&fs::read_to_string(file)?);
        }
    }
    fs::write(folder.join(GATEWAY_API), all)?;
    Ok(())
}

/// Where Go unpacked the module `path`.
fn module_folder(source: &Path, path: &str) -> Result<PathBuf> {
    let folder = output(go(source).args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path]))?;
    Ok(PathBuf::from(folder.trim()))
}

/// Go in `folder`: static programs, and no flags from the caller's environment.
fn go(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder).env("CGO_ENABLED", "0").env("GOFLAGS", "").env("GOWORK", "off");
    go
}
