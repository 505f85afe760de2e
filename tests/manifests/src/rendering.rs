//! Everything that can be made of the manifests: each overlay, each component alone, and all of them together.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use test_support::artifacts;

use crate::objects::Objects;

/// What kustomize made of something.
pub struct Rendering {
    /// `overlays/production`, `manifests/base hpa`.
    pub name: String,
    /// The objects as YAML, or why there are none.
    pub text: Result<String, String>,
}

/// Opts in to nothing, but goes with everything else.
const LABELS: &str = "labels";

/// Goes only together with another component: what it refers to is there.
const NEEDS: [(&str, &str); 1] = [("podmonitor", "metrics")];

/// All renderings.
pub fn all() -> Vec<Rendering> {
    let mut all = Vec::new();
    for overlay in folders("manifests/overlays") {
        let text = build(&Path::new("manifests/overlays").join(&overlay));
        all.push(Rendering { name: format!("overlays/{overlay}"), text });
    }
    let components = opt_ins();
    all.extend(components.iter().map(|name| component(name)));
    all.push(with("manifests", &together(&components)));
    for overlay in folders("runtimeclass/overlays") {
        let text = build(&Path::new("runtimeclass/overlays").join(&overlay));
        all.push(Rendering { name: format!("runtimeclass/overlays/{overlay}"), text });
    }
    let components = folders("runtimeclass/components");
    all.push(with("runtimeclass", &[]));
    for component in &components {
        all.push(with("runtimeclass", &[component]));
    }
    all.push(with("runtimeclass", &components.iter().map(String::as_str).collect::<Vec<_>>()));
    all
}

/// The base with one component, and what that needs.
pub fn component(name: &str) -> Rendering {
    let needed = NEEDS.iter().filter(|(component, _)| *component == name).map(|(_, needed)| *needed);
    components(&needed.chain([name]).collect::<Vec<_>>())
}

/// The base with these components.
pub fn components(names: &[&str]) -> Rendering {
    with("manifests", &[names, &[LABELS]].concat())
}

/// The same objects come out whichever way round the components are listed.
pub fn order_does_not_matter() -> Result<(), Failed> {
    let mut components = opt_ins();
    let forwards = with("manifests", &together(&components)).text?;
    components.reverse();
    let backwards = with("manifests", &together(&components)).text?;
    if Objects::parse(&forwards)?.sorted() != Objects::parse(&backwards)?.sorted() {
        return Err("the components in alphabetical order and in the reverse give different objects".into());
    }
    Ok(())
}

/// What kustomize makes of that folder.
pub fn build(folder: &Path) -> Result<String, String> {
    let kustomize = artifacts::tool("kustomize");
    let output = Command::new(kustomize).arg("build").arg(folder).output().expect("kustomize runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout).expect("kustomize writes UTF-8"))
}

/// The base of that kind with these components.
fn with(kind: &str, components: &[&str]) -> Rendering {
    let opt_ins: Vec<_> = components.iter().copied().filter(|name| *name != LABELS).collect();
    let name = format!("{kind}/base {}", opt_ins.join(" "));
    // In `target`, on the same file system: what a kustomization refers to must have a relative path.
    let scratch = tempfile::tempdir_in("target").expect("cargo made the folder");
    let list = |paths: Vec<String>| format!("[{}]", paths.join(", "));
    let components = components.iter().map(|component| format!("../../{kind}/components/{component}")).collect();
    let kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../{kind}/base]\ncomponents: {}\n",
        list(components)
    );
    fs::write(scratch.path().join("kustomization.yaml"), kustomization).expect("a temporary folder takes files");
    Rendering { name: name.trim_end().to_owned(), text: build(scratch.path()) }
}

fn opt_ins() -> Vec<String> {
    folders("manifests/components").into_iter().filter(|name| name != LABELS).collect()
}

fn together(components: &[String]) -> Vec<&str> {
    components.iter().map(String::as_str).chain([LABELS]).collect()
}

/// The names of the folders in a folder of this repository, in order.
fn folders(path: &str) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a folder of this repository");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("readable").file_name().into_string().expect("our own names are UTF-8"))
        .collect();
    names.sort();
    names
}
