//! The chart `charts/httpserver`: what Helm makes of it, beside what kustomize makes of the manifests.

mod documented;
mod equality;
mod refused;
mod values;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use test_support::artifacts;

use crate::objects::Objects;
use crate::rendering::{self, Rendering};

const CHART: &str = "charts/httpserver";

/// Files of values in `charts/httpserver/ci`, of which the later ones win. Together with [`equality::EQUAL`] these are all.
const WITHOUT_COUNTERPART: &[&str] = &["everything"];

/// The chart with each set of values, in the cluster that it needs.
pub fn all() -> Vec<Rendering> {
    let sets = equality::EQUAL.iter().map(|equal| equal.values).chain([WITHOUT_COUNTERPART]);
    sets.map(|values| Rendering { name: name(values), text: in_cluster(values) }).collect()
}

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test("helm: lint has no finding", lint)];
    trials.extend(equality::trials());
    trials.extend(refused::trials());
    trials.extend(values::trials());
    trials.extend(documented::trials());
    trials
}

/// `chart`, `chart base local`.
fn name(values: &[&str]) -> String {
    ["chart"].iter().chain(values).copied().collect::<Vec<_>>().join(" ")
}

/// The chart, and what a cluster has before: the namespace, which a release's records are in, and a Gateway. As in the manifests
/// they have the version of this release.
fn in_cluster(values: &[&str]) -> Result<String, String> {
    let (chart, cluster) = (render(&files(values))?, rendering::components(&["gateway"]).text?);
    let (version, old) = (version(&chart)?, version(&cluster)?);
    let before = cluster
        .split("\n---\n")
        .filter(|document| equality::OF_THE_CLUSTER.iter().any(|kind| document.contains(&format!("\nkind: {kind}\n"))));
    Ok(before.map(|document| document.replace(&old, &format!("{version:?}")) + "\n---\n").collect::<String>() + &chart)
}

fn version(rendered: &str) -> Result<String, String> {
    let maps = Objects::parse(rendered)?.environments()?;
    let version = maps.into_iter().find_map(|map| map.data?.remove("SPIN_VARIABLE_VERSION"));
    version.ok_or_else(|| "no ConfigMap has the version".into())
}

/// What `helm template` makes of the chart with these arguments.
fn render(arguments: &[String]) -> Result<String, String> {
    let output = helm("template", &["httpserver", CHART, "--namespace=httpserver"], arguments);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let rendered = String::from_utf8(output.stdout).expect("Helm writes UTF-8");
    Ok(rendered.trim_start_matches("---\n").to_owned())
}

/// The chart with these values, as YAML.
fn render_with(values: &str) -> Result<String, String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(values.as_bytes()).expect("a temporary file takes text");
    render(&[format!("--values={}", file.path().display())])
}

fn files(values: &[&str]) -> Vec<String> {
    values.iter().map(|name| format!("--values={CHART}/ci/{name}.yaml")).collect()
}

/// Runs Helm without the settings and plugins of the user.
fn helm(command: &str, arguments: &[&str], more: &[String]) -> Output {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut helm = Command::new(artifacts::tool("helm"));
    for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(folder, home.path());
    }
    helm.arg(command).args(arguments).args(more).output().expect("Helm runs")
}

/// Strictly, with each set of values; every file of values is in one.
fn lint() -> Result<(), Failed> {
    let sets: Vec<_> = equality::EQUAL.iter().map(|equal| equal.values).chain([WITHOUT_COUNTERPART]).collect();
    for file in fs::read_dir(Path::new(CHART).join("ci"))? {
        let path = file?.path();
        let used = sets.iter().any(|set| set.iter().any(|name| path.ends_with(format!("{name}.yaml"))));
        if !used {
            return Err(format!("no test uses {}", path.display()).into());
        }
    }
    for set in sets {
        let output = helm("lint", &[CHART, "--strict", "--quiet"], &files(set));
        let printed = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        if !output.status.success() || !printed.is_empty() {
            return Err(format!("{}: {printed}", name(set)).into());
        }
    }
    Ok(())
}
