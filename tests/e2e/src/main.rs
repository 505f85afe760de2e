//! The application on a real Kubernetes: one test after the other on one cluster, each with a figure.
//!
//! `cargo xtask e2e` builds what is under test, starts the cluster, imports the image and runs this. The tests are in the order
//! in which an operator meets things: apply, ask, look, change, disturb, break.

mod bed;
mod cgroup;
mod contract;
mod creation;
mod disturb;
mod fail;
mod figures;
mod hostile;
mod images;
mod install;
mod load;
mod look;
mod oom;
mod pod;
mod policy;
mod process;
mod rollout;
mod routes;
mod scale;
mod start;
mod wrong;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use bed::Bed;
use figures::Figures;
use libtest_mimic::{Arguments, Trial};

/// Proves something, and says how much or how fast.
type Test = fn(&Bed) -> Result<String>;

const TESTS: &[(&str, Test)] = &[
    ("apply: from nothing to the first answer through the Ingress", routes::first_answer),
    ("routes: every node answers by Ingress, Ingress with TLS, and HTTPRoute", routes::every_node_answers),
    ("routes: /.well-known/spin/ stays inside", routes::the_hosts_own_pages_stay_inside),
    ("routes: bodies come back whole over HTTP/2", routes::bodies),
    ("routes: the contract, through the Ingress", contract::through_the_ingress),
    ("routes: the client's address is the client's and cannot be forged", routes::client_address),
    ("routes: the Service by its name, from a pod", routes::by_name),
    ("look: three replicas on three nodes", look::spread),
    ("look: kubectl logs has a line for each request", look::logs),
    ("look: kubectl top has figures", look::top),
    ("look: every thread has the rights that the pod asked for, and no more", look::rights),
    ("look: groups, limits and root are what the pod asked for", look::limits),
    ("look: memory of the pods and of their shims, and of Go's", look::memory),
    ("start: the second pod of an image finds its code compiled", start::first_and_second),
    ("start: what is wrong in an image is in the log and the termination message", wrong::images),
    ("start: what is wrong in the environment is there, too", wrong::environment),
    ("hostile: no library of an image runs with the node's rights", hostile::library),
    ("hostile: nothing of an image is opened while a capability is left", creation::order),
    ("hostile: a process that waits for its start has nothing of the node open", creation::descriptors),
    ("hostile: devices in a layer cannot be opened", hostile::devices),
    ("hostile: a pipe in the place of a file is said in time", hostile::pipes),
    ("rollout: a new version comes without an error", rollout::new_version),
    ("rollout: a bad value stops it, and the old pods go on", rollout::bad_value),
    ("undisturbed by: a rolling restart", disturb::rolling_restart),
    ("undisturbed by: scaling up and down", disturb::scaling),
    ("undisturbed by: deletion of a pod", disturb::deletion),
    ("undisturbed by: kubectl drain of a node", disturb::drain),
    ("undisturbed by: the shim uninstalled and installed again", install::uninstalled_and_again),
    ("undisturbed by: restart of containerd", disturb::containerd),
    ("undisturbed by: restart of a kubelet", disturb::kubelet),
    // The last: for a while after it Traefik may not hear of pods that go, which no test of pods that go can bear.
    ("undisturbed by: restart of API server and etcd", disturb::control_plane),
    ("install: on containerd 1.7", install::on_containerd_1_7),
    ("fail: SIGTERM behind the kubelet's back", fail::terminated),
    ("fail: SIGKILL of the process", fail::killed),
    ("fail: SIGKILL of the shim", fail::shim_killed),
    ("fail: a node goes dark", fail::node_killed),
    ("fail: a request that takes all memory", oom::by_request),
    ("fail: a container over its memory limit", oom::by_limit),
    ("scale: ordinary Linux containers in the component's pod", scale::with_linux_containers),
    ("scale: thirty pods on one node", scale::many_on_one_node),
    ("scale: by load, out and back in", scale::by_load),
    ("policy: exec probes are refused, with what to use instead", policy::deny_exec),
    ("policy: a privileged pod is refused", policy::privileged),
    ("policy: a RuntimeClass whose handler no node has says so", policy::no_handler),
    ("total: requests under everything that must not make one fail", load::total),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One cluster, one order.
    arguments.test_threads = Some(1);
    env::set_current_dir("../..").expect("this package lies two folders deep");
    let bed = Arc::new(Bed::attach());
    if !arguments.list {
        images::import(&bed)
            .and_then(|()| hostile::import(&bed))
            .and_then(|()| bed.fill_nodes())
            .expect("the cluster takes what the tests need");
    }
    let figures = Arc::new(Figures::default());
    let trials = TESTS.iter().map(|(name, test)| {
        let (bed, figures) = (Arc::clone(&bed), Arc::clone(&figures));
        Trial::test(*name, move || {
            let outcome = figures.time(name, || test(&bed));
            outcome.map_err(|error| {
                // At once: the others take minutes.
                eprintln!("{error:#}");
                format!("{error:#}\n{}", bed.report()).into()
            })
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    print!("\n{figures}");
    conclusion.exit_code()
}
