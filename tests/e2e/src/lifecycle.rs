//! The life of the cluster that the tests run on: it starts before the first test and ends after the last.

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use test_cluster::{Cluster, Options};
use test_support::artifacts;

/// One node for each replica, so that a test can see how they are spread.
const NODES: u8 = 3;

/// Set to leave the cluster there after the tests, to look into it.
const KEEP: &str = "HTTPSERVER_E2E_KEEP";

/// Starts a cluster with the shim and the image under test, runs `tests` on it, and ends it.
pub fn with_cluster(tests: impl FnOnce(Cluster) -> Result<ExitCode>) -> Result<ExitCode> {
    // An earlier cluster has another shim and other images.
    Cluster::down()?;
    let outcome = start().and_then(tests);
    if env::var_os(KEEP).is_some() {
        return outcome;
    }
    let down = Cluster::down();
    outcome.and_then(|code| down.map(|()| code))
}

fn start() -> Result<Cluster> {
    let options = Options { nodes: NODES, tools: test_cluster::built()? };
    let start = Instant::now();
    let cluster = Cluster::up(&options).context("the cluster does not start")?;
    eprintln!("{NODES} nodes ready after {:.1} s", start.elapsed().as_secs_f64());
    cluster.install_shim(&artifacts::shim())?;
    cluster.import_image(&artifacts::image_archive())?;
    Ok(cluster)
}
