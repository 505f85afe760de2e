//! The version, from the ConfigMap to the answers.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::bed::{Bed, text, until};
use crate::load;

pub fn new_version(bed: &Bed) -> Result<String> {
    let (took, counts) = load::during(bed, |_| bed.deploy("v2"))?;
    let said = counts.none_failed()?;
    let versions = counts.versions();
    ensure!(versions.keys().eq(["v1", "v2"]), "{versions:?}");
    let (old, new) = (versions["v1"], versions["v2"]);
    ensure!(old.first < new.first && new.first < old.last && old.last < new.last, "not old, both, new: {versions:?}");
    // The rollout is done when the old pods are told to go; the proxies hear of it a moment later.
    until("only the new version answers", || {
        let answers = (0..30).map(|_| bed.ask(1, "/healthz")).collect::<Result<Vec<_>>>()?;
        Ok(answers.iter().all(|answer| answer.header("version") == Some("v2")))
    })?;
    Ok(format!(
        "{said}: {} of v1, both for {:.1} s, {} of v2; then v2 only; {:.1} s",
        old.count,
        (old.last - new.first).as_secs_f64(),
        new.count,
        took.as_secs_f64()
    ))
}

pub fn bad_value(bed: &Bed) -> Result<String> {
    let before = bed.ready_pods()?.len();
    let (said, counts) = load::during(bed, |_| {
        bed.cluster.apply(&bed.render("v3", &["SPIN_VARIABLE_LOG_LEVEL=loud"])?)?;
        let mut said = String::new();
        until("a new pod says why it is not ready", || {
            let events = bed.get(&["events", "--field-selector=reason=Unhealthy"])?;
            let messages =
                events["items"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str());
            said = messages.into_iter().find(|message| message.contains("503")).unwrap_or_default().to_owned();
            Ok(!said.is_empty())
        })?;
        Ok(said)
    })?;
    let count = counts.none_failed()?;
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
