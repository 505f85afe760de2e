//! How long a container takes to its first answer, and what the node keeps for the next one.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use test_cluster::Component;
use test_support::wait::{Patience, find_despite_errors};

use crate::cgroup;
use crate::images::{BASELINE, BUSYBOX};
use crate::pod::{Pod, container};
use crate::process::PodProcess;
use crate::testbed::{self, IMAGE, Testbed, until};

/// Where the shim keeps compiled code, seen from the node.
const CACHE: &str = "var/cache/httpserver-shim";

/// Of so many starts the median is told.
const RUNS: usize = 3;

/// The node where it is measured.
const NODE: u8 = 3;

/// Compiling the component takes about 30 MB, serving it 3 (shim/README.md): what is between says which of the two it was, bytes.
const WITHOUT_COMPILING: u64 = 16 << 20;

/// The first pod of an image on a node compiles it, the second finds that done, and neither does so in its own memory.
pub fn first_and_second(testbed: &Testbed) -> Result<String> {
    let cache = testbed.node(NODE).root().context("the node is up")?.join(CACHE);
    let (mut first, mut second, mut baseline, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let httpserver = |name: &str| Pod::of_component(name, IMAGE);
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
        let pod = Pod::of_program(&format!("baseline-{run}"), BASELINE, &["/baseline"]);
        baseline.push(start(testbed, &pod, |_| Ok(()))?);
    }
    let [first, second, baseline] = [first, second, baseline].map(median);
    Ok(format!(
        "from the start of the container to its first 200, median of {RUNS}: the first of an image {first:.0?}, the second \
         {second:.0?} with at most {:.1} MiB; Go {baseline:.0?}",
        peak as f64 / f64::from(1 << 20)
    ))
}

/// Starts the pod, and measures from the moment in which containerd is told to start its container.
fn start(testbed: &Testbed, pod: &Pod, look: impl FnOnce(&Value) -> Result<()>) -> Result<Duration> {
    // While the init container waits, the pod has its address already.
    let wait = container("wait", BUSYBOX, &["/busybox", "sleep", "1"]);
    let pod = pod.clone().on(&testbed.node(NODE).name).with("/spec/initContainers", json!([wait]));
    testbed.cluster.apply(&pod.to_string())?;
    let outcome = first_answer(testbed, &pod).and_then(|(started, answered)| {
        look(&pod.state(testbed)?)?;
        (answered - started).to_std().context("the answer came after the start")
    });
    pod.delete(testbed)?;
    outcome
}

/// When containerd was told to start the container, and when that answered first.
fn first_answer(testbed: &Testbed, pod: &Pod) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let mut ip = String::new();
    until("the pod has its address", || {
        ip = pod.state(testbed)?["status"]["podIP"].as_str().unwrap_or_default().to_owned();
        Ok(!ip.is_empty())
    })?;
    let answered = first_response(testbed, ip.parse()?)?;
    let mut id = String::new();
    until("the container has its name", || {
        id = pod.state(testbed)?["status"]["containerStatuses"][0]["containerID"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok(!id.is_empty())
    })?;
    let id = id.trim_start_matches("containerd://");
    let log = testbed.cluster.log(Component::Containerd(NODE))?;
    let line = log.lines().find(|line| line.contains(&format!(r#"StartContainer for \"{id}\""#)));
    let line = line.with_context(|| format!("containerd's log has the start of {id}"))?;
    let time = line.strip_prefix("time=\"").and_then(|line| line.split('"').next()).context("a line has a time")?;
    Ok((DateTime::parse_from_rfc3339(time)?.to_utc(), answered))
}

/// When the pod at this address responded for the first time.
fn first_response(testbed: &Testbed, ip: Ipv4Addr) -> Result<DateTime<Utc>> {
    find_despite_errors(&format!("{ip} responds"), Patience::MEASUREMENT, || {
        Ok((testbed.send(ip, 8080, testbed::HOSTNAME, "/healthz", "")?.status == 200).then(Utc::now))
    })
}

/// The entries of the cache, each with what tells it from one that was made again. Nobody but root may write to them.
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
