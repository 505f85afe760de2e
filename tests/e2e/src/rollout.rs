//! The version, from the ConfigMap to the answers.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::bed::{Bed, event, text, until};
use crate::load;

pub fn new_version(bed: &Bed) -> Result<String> {
    let ((took, alone), counts) = load::during(bed, |_| {
        let took = bed.deploy("v2")?;
        // A long request may be the last answer of an old pod, after many of the new ones.
        bed.settled()?;
        Ok((took, Instant::now()))
    })?;
    let said = counts.none_failed(bed)?;
    let versions = counts.versions();
    ensure!(versions.keys().eq(["v1", "v2"]), "{versions:?}");
    let (old, new) = (versions["v1"], versions["v2"]);
    ensure!(
        old.first < new.first && new.first < old.last && old.last < alone && alone < new.last,
        "not old, both, new: {versions:?}, the old pods were gone at {alone:?}"
    );
    Ok(format!(
        "{said}: {} of v1, both for {:.1} s, {} of v2, alone for the last {:.1} s; rolled out after {:.1} s",
        old.count,
        (old.last - new.first).as_secs_f64(),
        new.count,
        (new.last - old.last).as_secs_f64(),
        took.as_secs_f64()
    ))
}

pub fn bad_value(bed: &Bed) -> Result<String> {
    let before = bed.ready_pods()?.len();
    let (said, counts) = load::during(bed, |_| {
        bed.cluster.apply(&bed.render("v3", &["SPIN_VARIABLE_LOG_LEVEL=loud"])?)?;
        event(bed, "reason=Unhealthy", "503")
    })?;
    let count = counts.none_failed(bed)?;
    ensure!(counts.versions().keys().eq(["v2"]), "a pod with a bad value served: {:?}", counts.versions());
    ensure!(bed.ready_pods()?.len() == before, "old pods went away");
    let why = reason(bed)?;
    bed.deploy("v2")?;
    Ok(format!("{count}, all by the old pods; events: {said}; log: {why}"))
}

/// What the pod that is not ready has in its log.
fn reason(bed: &Bed) -> Result<String> {
    let pods = bed.get(&["pods", "--selector=app.kubernetes.io/version=v3"])?;
    let pod = pods["items"].as_array().and_then(|pods| pods.first()).unwrap_or(&Value::Null).clone();
    let name = text(&pod, "/metadata/name")?;
    let mut line = String::new();
    until("the log names the variable", || {
        let log = bed.kubectl(&["logs", name])?;
        line = log.lines().find(|line| line.contains("log_level")).unwrap_or_default().to_owned();
        Ok(!line.is_empty())
    })?;
    Ok(line)
}
