//! The version, from the ConfigMap to the answers.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::load;
use crate::testbed::{Testbed, event, text, until};

pub fn new_version(testbed: &Testbed) -> Result<String> {
    let ((took, alone), counts) = load::during(testbed, |_| {
        let took = testbed.deploy("v2")?;
        // A long request may be the last answer of an old pod, after many of the new ones.
        testbed.settled()?;
        Ok((took, Instant::now()))
    })?;
    let said = counts.none_failed(testbed)?;
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

pub fn bad_value(testbed: &Testbed) -> Result<String> {
    let before = testbed.ready_pods()?.len();
    let (said, counts) = load::during(testbed, |_| {
        testbed.cluster.apply(&testbed.render("v3", &["SPIN_VARIABLE_LOG_LEVEL=loud"])?)?;
        event(testbed, "reason=Unhealthy", "503")
    })?;
    let count = counts.none_failed(testbed)?;
    ensure!(counts.versions().keys().eq(["v2"]), "a pod with a bad value served: {:?}", counts.versions());
    ensure!(testbed.ready_pods()?.len() == before, "old pods went away");
    let why = reason(testbed)?;
    testbed.deploy("v2")?;
    Ok(format!("{count}, all by the old pods; events: {said}; log: {why}"))
}

/// What the pod that is not ready has in its log.
fn reason(testbed: &Testbed) -> Result<String> {
    let pods = testbed.get(&["pods", "--selector=app.kubernetes.io/version=v3"])?;
    let pod = pods["items"].as_array().and_then(|pods| pods.first()).unwrap_or(&Value::Null).clone();
    let name = text(&pod, "/metadata/name")?;
    let mut line = String::new();
    until("the log names the variable", || {
        let log = testbed.kubectl(&["logs", name])?;
        line = log.lines().find(|line| line.contains("log_level")).unwrap_or_default().to_owned();
        Ok(!line.is_empty())
    })?;
    Ok(line)
}
