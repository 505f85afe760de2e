//! Tools that know Kubernetes. Each exception has its reason.

use std::fs;
use std::process::Command;

use test_support::artifacts;

use crate::objects::Objects;

/// The five newest minor versions that this version of kubernetes-validate has schemas of.
const KUBERNETES: [&str; 5] = ["1.33", "1.34", "1.35", "1.36", "1.37"];

/// The groups of the kinds that are not Kubernetes' own, so that kubernetes-validate has no schemas of them: those of the Gateway
/// API, and those of Prometheus's operator.
const OTHERS: [&str; 2] = ["apiVersion: gateway.networking.k8s.io/", "apiVersion: monitoring.coreos.com/"];

/// Findings of kube-score that we ignore, each with the reason.
const KUBE_SCORE_EXCEPTIONS: [(&str, &str); 3] = [
    // A limit slows down the start, when the component is compiled, and every burst.
    ("--ignore-container-cpu-limit", ""),
    // The image's tag is immutable: `cargo xtask manifests` refuses `latest`.
    ("--ignore-test", "container-image-pull-policy"),
    // Pods are spread by topologySpreadConstraints; a required anti-affinity blocks rollouts where replicas ≥ nodes.
    ("--ignore-test", "deployment-has-host-podantiaffinity"),
];

/// The overlay `local` has one replica on purpose.
const LOCAL: (&str, &str) = ("--ignore-test", "deployment-replicas");

/// Strictly against the schemas of each version: a misspelled field is an error, and so is a kind without a schema.
pub fn kubernetes_validate(rendered: &str) -> Result<(), String> {
    let is_known = |document: &&str| !OTHERS.iter().any(|group| document.contains(group));
    let documents: Vec<_> = rendered.split("\n---\n").filter(is_known).collect();
    let validate = |version| {
        let mut command = Command::new(artifacts::tool("kubernetes-validate"));
        command.args(["--strict", "--quiet", "--kubernetes-version", version]);
        // It prints nothing about a valid object, and only a warning about an unknown one.
        let silent = |output: String| if output.is_empty() { Ok(()) } else { Err(output) };
        run(command, &documents.join("\n---\n"))
            .and_then(silent)
            .map_err(|error| format!("Kubernetes {version}: {error}"))
    };
    KUBERNETES.into_iter().try_for_each(validate)
}

/// No finding, not even a warning.
pub fn kube_score(rendered: &str) -> Result<(), String> {
    let mut command = Command::new(artifacts::tool("kube-score"));
    command.args(["score", "--kubernetes-version=v1.33", "--exit-one-on-warning", "--output-format=ci"]);
    for (option, value) in KUBE_SCORE_EXCEPTIONS.into_iter().chain(is_single(rendered).then_some(LOCAL)) {
        command.arg(option).args((!value.is_empty()).then_some(value));
    }
    let result = run(command, rendered);
    result
        .map(drop)
        .map_err(|output| output.lines().filter(|line| !line.starts_with("[OK]")).collect::<Vec<_>>().join("\n"))
}

fn is_single(rendered: &str) -> bool {
    let objects = Objects::parse(rendered).expect("kustomize writes YAML");
    objects.values().iter().any(|object| object["spec"]["replicas"] == 1)
}

/// Runs a tool on a file with this content; what it prints is the result, or the error.
fn run(mut command: Command, content: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rendered.yaml");
    fs::write(&file, content).expect("a temporary folder takes files");
    let output = command.arg(&file).output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(printed) } else { Err(printed) }
}
