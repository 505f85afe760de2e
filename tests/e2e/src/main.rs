//! The application on a real Kubernetes: one test after the other on one cluster. Each returns what it measured.
//!
//! `cargo xtask e2e` builds what is under test and runs this program, which starts the cluster, imports the image, runs the tests
//! and ends the cluster.

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
mod metrics;
mod observe;
mod oom;
mod pod;
mod policy;
mod process;
mod resize;
mod rollout;
mod routes;
mod scale;
mod start;
mod startup_errors;
mod testbed;
mod traces;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Trial};
use test_cluster::Cluster;
use test_support::artifacts;

use load::NoFailures;
use measurements::Measurements;
use testbed::Testbed;

/// What a test does. It returns an error, or a text with what it measured.
#[derive(Clone, Copy)]
enum Test {
    /// Proves something.
    Plain(fn(&Testbed) -> Result<String>),
    /// Does something to the cluster under a load of which no request may fail.
    UnderLoad(fn(&Testbed) -> Result<NoFailures>),
    /// Adds up the loads of this run.
    Total,
}

use Test::{Plain, Total, UnderLoad};

/// All tests, in the order in which an operator meets things: apply, send requests, observe, change, disrupt, break. The order
/// has a meaning:
///
/// * The first one applies the application, as version v1. All others need it; [`run`] applies it, too, where a filter leaves
///   that test out.
/// * `rollout` leaves version v2.
/// * The restart of the API server comes before tests that send nothing through Traefik: for half a minute after it Traefik may not
///   hear of pods that go, and send requests to them.
/// * The total is the last test.
const TESTS: &[(&str, Test)] = &[
    ("apply: the README's commands lead from nothing to a response", Plain(routes::first_response)),
    (
        "routes: every node responds by Ingress, by Ingress with TLS, and by HTTPRoute",
        Plain(routes::every_node_responds),
    ),
    (
        "routes: the runtime's pages under /.well-known/spin/ are not served outside",
        Plain(routes::well_known_stays_inside),
    ),
    ("routes: a body comes back whole over HTTP/2", Plain(routes::bodies)),
    ("routes: the contract holds through the Ingress", Plain(contract::through_the_ingress)),
    ("routes: a client cannot forge its address", Plain(routes::client_address)),
    ("routes: a pod reaches the Service by its name", Plain(routes::by_name)),
    ("observe: three replicas are on three nodes", Plain(observe::spread)),
    ("observe: kubectl logs has a line for each request", Plain(observe::logs)),
    ("observe: kubectl top has figures for each pod", Plain(observe::top)),
    // Before the rollout, which replaces the pod whose process it kills.
    ("observe: Prometheus measures what clients measure, and takes a SIGKILL for a restart", Plain(metrics::scraped)),
    ("observe: every thread has the privileges that the pod asks for, and no more", Plain(observe::privileges)),
    ("observe: groups, limits and root are what the pod asks for", Plain(observe::limits)),
    ("observe: the memory of pods and shims can be compared with that of Go", Plain(observe::memory)),
    // Before the loads: it rolls the pods out twice.
    (
        "observe: an OpenTelemetry collector has, as one trace, a request that crosses Traefik and the component",
        Plain(traces::through_traefik),
    ),
    ("disruptions: no request fails when the API server and etcd restart", UnderLoad(disruptions::control_plane)),
    ("start: the second pod of an image finds its code compiled", Plain(start::first_and_second)),
    ("start: an error in the image is in the log and in the termination message", Plain(startup_errors::images)),
    (
        "start: an error in the environment is in the log and in the termination message",
        Plain(startup_errors::environment),
    ),
    ("hostile: no library of an image runs with the node's rights", Plain(hostile::library)),
    ("hostile: no file of an image is opened while a capability is left", Plain(creation::order)),
    ("hostile: a process that waits for its start has no file of the node open", Plain(creation::descriptors)),
    ("hostile: a device in a layer cannot be opened", Plain(hostile::devices)),
    ("hostile: a pipe in the place of a file is reported in time", Plain(hostile::pipes)),
    ("rollout: no request fails while a new version comes", UnderLoad(rollout::new_version)),
    ("rollout: a bad value stops the rollout, and no request fails", UnderLoad(rollout::bad_value)),
    // Before the restart, which gives the pods the Deployment's limits again.
    ("resize: no request fails while pods get more and less CPU and memory", UnderLoad(resize::up_and_down)),
    ("disruptions: no request fails during a rolling restart", UnderLoad(disruptions::rolling_restart)),
    ("disruptions: no request fails while the Deployment is scaled up and down", UnderLoad(disruptions::scaling)),
    ("disruptions: no request fails when a pod is deleted", UnderLoad(disruptions::deletion)),
    ("disruptions: no request fails when a node is drained", UnderLoad(disruptions::drain)),
    (
        "disruptions: no request fails while the shim is uninstalled and installed",
        UnderLoad(install::uninstall_and_install),
    ),
    ("disruptions: no request fails when containerd restarts", UnderLoad(disruptions::containerd)),
    ("disruptions: no request fails when a kubelet restarts", UnderLoad(disruptions::kubelet)),
    ("install: the shim works with containerd 1.7", Plain(install::on_containerd_1_7)),
    ("failures: after a SIGTERM the requests in flight end whole", Plain(failures::terminated)),
    ("failures: after a SIGKILL of the process it serves again", Plain(failures::killed)),
    ("failures: after a SIGKILL of the shim the pod serves again", Plain(failures::shim_killed)),
    ("failures: after the loss of a node the others serve", Plain(failures::node_killed)),
    ("failures: a request that takes all memory fails alone", Plain(oom::by_request)),
    ("failures: a container over its memory limit is restarted", Plain(oom::by_limit)),
    ("scale: ordinary Linux containers run in the component's pod", Plain(scale::with_linux_containers)),
    ("scale: thirty pods run on one node", Plain(scale::many_on_one_node)),
    ("scale: the autoscaler adds pods and removes them, and no request fails", UnderLoad(scale::by_load)),
    ("policy: a pod with an exec probe is refused, with what to use instead", Plain(policy::deny_exec)),
    ("policy: a privileged pod is refused", Plain(policy::privileged)),
    ("policy: a RuntimeClass whose handler no node has is reported", Plain(policy::no_handler)),
    ("total: no request failed under any load", Total),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests share one cluster, and their order has a meaning.
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
    prepare(arguments, &testbed).context("the cluster does not take what the tests need")?;
    let measurements = Arc::new(Measurements::default());
    let trials = TESTS.iter().map(|(name, test)| {
        let (testbed, measurements) = (Arc::clone(&testbed), Arc::clone(&measurements));
        Trial::test(*name, move || {
            let outcome = measurements.time(name, || match test {
                Plain(test) => test(&testbed),
                UnderLoad(test) => testbed.loads.run(|| test(&testbed)),
                Total => testbed.loads.total(load::enough(&testbed)),
            });
            outcome.map_err(|error| {
                // Now and not at the end, which is minutes away.
                eprintln!("{error:#}");
                format!("{error:#}\n{}", testbed.report()).into()
            })
        })
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());
    print!("\n{measurements}");
    Ok(conclusion.exit_code())
}

/// Gives the cluster what the tests need.
fn prepare(arguments: &Arguments, testbed: &Testbed) -> Result<()> {
    images::import(testbed)?;
    hostile::import(testbed)?;
    testbed.fill_nodes()?;
    let (first, _) = TESTS[0];
    let runs = |filter: &String| if arguments.exact { filter == first } else { first.contains(filter) };
    if !arguments.filter.as_ref().is_none_or(runs) {
        routes::first_response(testbed)?;
    }
    Ok(())
}
