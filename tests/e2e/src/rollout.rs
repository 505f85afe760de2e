//! A change of the ConfigMap, up to the responses.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::load::{self, NoFailures};
use crate::testbed::{Testbed, event, find, text};

/// A new version: responses of the old one, then of both, then of the new one.
pub fn new_version(testbed: &Testbed) -> Result<NoFailures> {
    let ((took, alone), counts) = load::during(testbed, |_| {
        let took = testbed.deploy("v2")?;
        // The last response of an old pod may be that of a long request, after many of the new pods.
        testbed.settled()?;
        Ok((took, Instant::now()))
    })?;
    let outcome = counts.none_failed(testbed)?;
    let versions = counts.versions();
    ensure!(versions.keys().eq(["v1", "v2"]), "{versions:?}");
    let (old, new) = (versions["v1"], versions["v2"]);
    ensure!(
        old.first < new.first && new.first < old.last && old.last < alone && alone < new.last,
        "not old, both, new: {versions:?}, the old pods were gone at {alone:?}"
    );
    Ok(outcome.and(format!(
        "{} of v1, both for {:.1} s, {} of v2, alone for the last {:.1} s, rolled out after {:.1} s",
        old.count,
        (old.last - new.first).as_secs_f64(),
        new.count,
        (new.last - old.last).as_secs_f64(),
        took.as_secs_f64()
    )))
}

/// A bad value of a variable: the new pods are never ready, and the old ones serve on.
pub fn bad_value(testbed: &Testbed) -> Result<NoFailures> {
    let before = testbed.ready_pods()?.len();
    let (message, counts) = load::during(testbed, |_| {
        testbed.cluster.apply(&testbed.render("v3", &[], &["SPIN_VARIABLE_LOG=loud"])?)?;
        event(testbed, "reason=Unhealthy", "503")
    })?;
    let outcome = counts.none_failed(testbed)?;
    ensure!(counts.versions().keys().eq(["v2"]), "a pod with a bad value served: {:?}", counts.versions());
    ensure!(testbed.ready_pods()?.len() == before, "old pods went away");
    let why = reason(testbed)?;
    testbed.deploy("v2")?;
    Ok(outcome.and(format!("all responses by the old pods; event: {message}; log: {why}")))
}

/// The line in the log of the pod that is not ready.
fn reason(testbed: &Testbed) -> Result<String> {
    let pods = testbed.get(&["pods", "--selector=app.kubernetes.io/version=v3"])?;
    let pod = pods["items"].as_array().and_then(|pods| pods.first()).unwrap_or(&Value::Null).clone();
    let name = text(&pod, "/metadata/name")?;
    find("the log names the variable", || {
        let log = testbed.kubectl(&["logs", name])?;
        Ok(log.lines().find(|line| line.contains("invalid variable log ")).map(str::to_owned))
    })
}
