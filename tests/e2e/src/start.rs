//! The time from the start of a container to its first response, and the compiled code that the node keeps.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use test_cluster::Daemon;
use test_support::wait::{Patience, find_despite_errors};

use crate::cgroup;
use crate::images::{BASELINE, BUSYBOX};
use crate::pod::{Pod, container};
use crate::process::PodProcess;
use crate::testbed::{self, IMAGE, Testbed, find};

/// Where the shim keeps compiled code, seen from the node.
const CACHE: &str = "var/cache/httpserver-shim";

/// How many starts there are; the median is reported.
const RUNS: usize = 3;

/// The node on which the pods start.
const NODE: u8 = 3;

/// Compiling the component takes about 30 MB, serving it 3 (shim/README.md). A peak below this, in bytes, proves that it was not
/// compiled.
const WITHOUT_COMPILING: u64 = 16 << 20;

/// The first pod of an image on a node compiles the component, in the memory of the shim; the second one finds it compiled.
pub fn first_and_second(testbed: &Testbed) -> Result<String> {
    let cache = testbed.node(NODE).root().context("the node is up")?.join(CACHE);
    let (mut first, mut second, mut baseline, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let httpserver = |name: &str| Pod::for_component(name, IMAGE);
    for run in 0..RUNS {
        if cache.exists() {
            fs::remove_dir_all(&cache)?;
        }
        first.push(start(testbed, &httpserver(&format!("first-{run}")), |_| Ok(()))?);
        let compiled = entries(&cache)?;
        ensure!(compiled.len() == 1, "{compiled:?}");
        second.push(start(testbed, &httpserver(&format!("second-{run}")), |state| {
            peak = peak.max(cgroup::memory_peak(&PodProcess::for_application(state)?.process)?);
            Ok(())
        })?);
        ensure!(entries(&cache)? == compiled, "compiled again");
        ensure!(peak < WITHOUT_COMPILING, "the second took {peak} bytes");
        let pod = Pod::for_program(&format!("baseline-{run}"), BASELINE, &["/baseline"]);
        baseline.push(start(testbed, &pod, |_| Ok(()))?);
    }
    let [first, second, baseline] = [first, second, baseline].map(median);
    Ok(format!(
        "from the start of the container to its first 200, median of {RUNS}: the first of an image {first:.0?}, the second \
         {second:.0?} with at most {:.1} MiB; Go {baseline:.0?}",
        peak as f64 / f64::from(1 << 20)
    ))
}

/// Starts the pod, and returns the time from containerd's start of its container to the first response.
fn start(testbed: &Testbed, pod: &Pod, observe: impl FnOnce(&Value) -> Result<()>) -> Result<Duration> {
    // While the init container waits, the pod has its address already.
    let wait = container("wait", BUSYBOX, &["/busybox", "sleep", "1"]);
    let pod = pod.clone().on(&testbed.node(NODE).name).with("/spec/initContainers", json!([wait]));
    testbed.cluster.apply(&pod.to_string())?;
    let outcome = start_and_response(testbed, &pod).and_then(|(started, responded)| {
        observe(&pod.state(testbed)?)?;
        (responded - started).to_std().context("the response came after the start")
    });
    pod.delete(testbed)?;
    outcome
}

/// When containerd got the request to start the container, and when the container responded for the first time.
fn start_and_response(testbed: &Testbed, pod: &Pod) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let known = |pointer: &str| -> Result<Option<String>> {
        let state = pod.state(testbed)?;
        Ok(state.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let ip = find("the pod has its address", || known("/status/podIP"))?;
    let responded = first_response(testbed, ip.parse()?)?;
    let id = find("the container has its id", || known("/status/containerStatuses/0/containerID"))?;
    let id = id.trim_start_matches("containerd://");
    let log = testbed.cluster.log(Daemon::Containerd(NODE))?;
    let line = log.lines().find(|line| line.contains(&format!(r#"StartContainer for \"{id}\""#)));
    let line = line.with_context(|| format!("containerd's log has the start of {id}"))?;
    let time = line.strip_prefix("time=\"").and_then(|line| line.split('"').next()).context("a line has a time")?;
    Ok((DateTime::parse_from_rfc3339(time)?.to_utc(), responded))
}

/// When the pod at this address responded for the first time.
fn first_response(testbed: &Testbed, ip: Ipv4Addr) -> Result<DateTime<Utc>> {
    find_despite_errors(&format!("{ip} responds"), Patience::MEASUREMENT, || {
        Ok((testbed.send(ip, 8080, testbed::HOSTNAME, "/healthz", "")?.status == 200).then(Utc::now))
    })
}

/// The entries of the cache: name, inode and time of the last change. Only root may write to them.
fn entries(cache: &Path) -> Result<BTreeSet<(String, u64, i64)>> {
    let folder = fs::metadata(cache)?;
    ensure!(folder.uid() == 0 && folder.mode() & 0o7777 == 0o700, "user {}, mode {:o}", folder.uid(), folder.mode());
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        let file = entry.metadata()?;
        ensure!(file.uid() == 0 && file.mode() & 0o022 == 0, "{entry:?}: user {}, mode {:o}", file.uid(), file.mode());
        Ok((entry.file_name().to_string_lossy().into_owned(), file.ino(), file.mtime_nsec()))
    };
    fs::read_dir(cache)?.map(entry).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
