//! What is known about `manifests/`, `runtimeclass/` and `charts/` without a cluster.
//!
//! Everything that can be made of them is rendered ([`rendering`], [`chart`]) and given to tools that know Kubernetes
//! ([`tools`]), to our own rules over typed objects ([`rules`]), and, for the values of the variables, to the server itself
//! ([`readiness`]). That these checks refuse what they are there for is tested with defects put in by hand ([`defects`]).
//!
//! The alerts and the dashboard are given to a real Prometheus that scrapes a real server ([`monitoring`]).

mod chart;
mod command;
mod defects;
mod monitoring;
mod objects;
mod readiness;
mod rendering;
mod rules;
mod tools;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use rendering::Rendering;
use test_support::artifacts;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Every path here is relative to the root of the repository; cargo starts tests in the folder of their package.
    env::set_current_dir(artifacts::root()).expect("the root is a folder");
    // The report of a trial has the message; printed at once as well, it would stand between those of other trials.
    std::panic::set_hook(Box::new(|_| {}));
    let mut trials = Vec::new();
    for rendering in rendering::all().into_iter().chain(chart::all()) {
        trials.extend(trials_of(&Arc::new(rendering)));
    }
    trials.push(Trial::test("kustomize: the order of components does not matter", rendering::order_does_not_matter));
    trials.extend(defects::trials());
    trials.extend(chart::trials());
    trials.extend(command::trials());
    trials.extend(monitoring::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Says yes, or everything that is wrong with a rendering.
type Check = fn(&str) -> Result<(), String>;

fn trials_of(rendering: &Arc<Rendering>) -> Vec<Trial> {
    let mut checks: Vec<(&str, Check)> = vec![
        ("rendered", |_| Ok(())),
        ("kubernetes-validate", tools::kubernetes_validate),
        ("kube-score", tools::kube_score),
        ("rules", rules::check),
    ];
    if rendering.name.starts_with("overlays/") || rendering.name == "chart" {
        checks.push(("readyz", readiness::check));
    }
    // The only one that has to know where the ingress controller is.
    if ["overlays/production", "chart"].contains(&rendering.name.as_str()) {
        checks.push(("closed", rules::closed));
    }
    let trial = |(tool, check): (&str, Check)| {
        let rendering = Arc::clone(rendering);
        Trial::test(format!("{tool}: {}", rendering.name), move || {
            let text = rendering.text.as_ref().map_err(Failed::from)?;
            check(text).map_err(Failed::from)
        })
    };
    checks.into_iter().map(trial).collect()
}
