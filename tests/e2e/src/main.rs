//! The application on a real Kubernetes: one test after the other on one cluster, each with a figure.
//!
//! `cargo xtask e2e` builds what is under test and runs this, which starts the cluster, imports the image, and ends the cluster.
//! The tests are in the order in which an operator meets things: apply, ask, look, change, disturb, break.

mod cgroup;
mod contract;
mod creation;
mod disruptions;
mod failures;
mod hostile;
mod images;
mod install;
mod lifecycle;
mod load;
mod measurements;
mod observe;
mod oom;
mod pod;
mod policy;
mod process;
mod rollout;
mod routes;
mod scale;
mod start;
mod startup_errors;
mod testbed;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Trial};
use measurements::Measurements;
use test_cluster::Cluster;
use test_support::artifacts;
use testbed::Testbed;

/// Proves something, and says how much or how fast.
type Test = fn(&Testbed) -> Result<String>;

const TESTS: &[(&str, Test)] = &[
    ("apply: from nothing to the first answer through the Ingress", routes::first_answer),
    ("routes: every node answers by Ingress, Ingress with TLS, and HTTPRoute", routes::every_node_answers),
    ("routes: /.well-known/spin/ stays inside", routes::the_hosts_own_pages_stay_inside),
    ("routes: bodies come back whole over HTTP/2", routes::bodies),
    ("routes: the contract, through the Ingress", contract::through_the_ingress),
    ("routes: the client's address is the client's and cannot be forged", routes::client_address),
    ("routes: the Service by its name, from a pod", routes::by_name),
    ("look: three replicas on three nodes", observe::spread),
    ("look: kubectl logs has a line for each request", observe::logs),
    ("look: kubectl top has figures", observe::top),
    ("look: every thread has the rights that the pod asked for, and no more", observe::rights),
    ("look: groups, limits and root are what the pod asked for", observe::limits),
    ("look: memory of the pods and of their shims, and of Go's", observe::memory),
    ("start: the second pod of an image finds its code compiled", start::first_and_second),
    ("start: what is wrong in an image is in the log and the termination message", startup_errors::images),
    ("start: what is wrong in the environment is there, too", startup_errors::environment),
    ("hostile: no library of an image runs with the node's rights", hostile::library),
    ("hostile: nothing of an image is opened while a capability is left", creation::order),
    ("hostile: a process that waits for its start has nothing of the node open", creation::descriptors),
    ("hostile: devices in a layer cannot be opened", hostile::devices),
    ("hostile: a pipe in the place of a file is said in time", hostile::pipes),
    ("rollout: a new version comes without an error", rollout::new_version),
    ("rollout: a bad value stops it, and the old pods go on", rollout::bad_value),
    ("undisturbed by: a rolling restart", disruptions::rolling_restart),
    ("undisturbed by: scaling up and down", disruptions::scaling),
    ("undisturbed by: deletion of a pod", disruptions::deletion),
    ("undisturbed by: kubectl drain of a node", disruptions::drain),
    ("undisturbed by: the shim uninstalled and installed again", install::uninstalled_and_again),
    ("undisturbed by: restart of containerd", disruptions::containerd),
    ("undisturbed by: restart of a kubelet", disruptions::kubelet),
    // The last: for a while after it Traefik may not hear of pods that go, which no test of pods that go can bear.
    ("undisturbed by: restart of API server and etcd", disruptions::control_plane),
    ("install: on containerd 1.7", install::on_containerd_1_7),
    ("fail: SIGTERM behind the kubelet's back", failures::terminated),
    ("fail: SIGKILL of the process", failures::killed),
    ("fail: SIGKILL of the shim", failures::shim_killed),
    ("fail: a node goes dark", failures::node_killed),
    ("fail: a request that takes all memory", oom::by_request),
    ("fail: a container over its memory limit", oom::by_limit),
    ("scale: ordinary Linux containers in the component's pod", scale::with_linux_containers),
    ("scale: thirty pods on one node", scale::many_on_one_node),
    ("scale: by load, out and back in", scale::by_load),
    ("policy: exec probes are refused, with what to use instead", policy::guard),
    ("policy: a privileged pod is refused", policy::privileged),
    ("policy: a RuntimeClass whose handler no node has says so", policy::no_handler),
    ("total: requests under everything that must not make one fail", load::total),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One cluster, one order.
    arguments.test_threads = Some(1);
    if arguments.list {
        let names = TESTS.iter().map(|(name, _)| Trial::test(*name, || Ok(())));
        return libtest_mimic::run(&arguments, names.collect()).exit_code();
    }
    env::set_current_dir(artifacts::root()).expect("the root is a folder");
    let outcome = lifecycle::with_cluster(|cluster| run(&arguments, cluster));
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &Arguments, cluster: Cluster) -> Result<ExitCode> {
    let testbed = Arc::new(Testbed::new(cluster));
    images::import(&testbed)
        .and_then(|()| hostile::import(&testbed))
        .and_then(|()| testbed.fill_nodes())
        .context("the cluster does not take what the tests need")?;
    let figures = Arc::new(Measurements::default());
    let trials = TESTS.iter().map(|(name, test)| {
        let (testbed, figures) = (Arc::clone(&testbed), Arc::clone(&figures));
        Trial::test(*name, move || {
            let outcome = figures.time(name, || test(&testbed));
            outcome.map_err(|error| {
                // At once: the others take minutes.
                eprintln!("{error:#}");
                format!("{error:#}\n{}", testbed.report()).into()
            })
        })
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());
    print!("\n{figures}");
    Ok(conclusion.exit_code())
}
