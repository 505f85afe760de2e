//! What goes wrong, and what is left of it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bed::{Bed, IMAGE, text, until};
use crate::load;
use crate::process::Process;

/// A pod of the image with one thing wrong, and what it must say.
const WRONG: [(&str, &str, &str); 2] = [
    ("address", r#"{"name": "SPIN_HTTP_LISTEN_ADDR", "value": "nowhere"}"#, "SPIN_HTTP_LISTEN_ADDR"),
    ("limit", r#"{"name": "SPIN_MAX_INSTANCE_COUNT", "value": "many"}"#, "SPIN_MAX_INSTANCE_COUNT"),
];

pub fn start_up_errors(bed: &Bed) -> Result<String> {
    let mut said = Vec::new();
    for (name, variable, expected) in WRONG {
        let name = format!("wrong-{name}");
        let pod = pod(&name, &json!([serde_json::from_str::<Value>(variable)?]));
        bed.cluster.apply(&pod.to_string())?;
        let mut ended = Value::Null;
        until("the container has ended", || {
            ended = bed.get(&["pod", &name])?["status"]["containerStatuses"][0]["state"]["terminated"].clone();
            Ok(!ended.is_null())
        })?;
        let (message, log) = (text(&ended, "/message")?.trim().to_owned(), bed.kubectl(&["logs", &name])?);
        ensure!(message.contains(expected) && log.contains(&message), "message {message:?}, log {log:?}");
        ensure!(ended["exitCode"] == 1, "exit code {}", ended["exitCode"]);
        bed.kubectl(&["delete", "pod", &name, "--wait=false"])?;
        said.push(message);
    }
    Ok(format!("exit code 1: {}", said.join("; ")))
}

pub fn terminated(bed: &Bed) -> Result<String> {
    ended_by(bed, Signal::TERM)
}

pub fn killed(bed: &Bed) -> Result<String> {
    ended_by(bed, Signal::KILL)
}

/// Ends the process of one pod behind the kubelet's back, and says what that cost.
fn ended_by(bed: &Bed, signal: Signal) -> Result<String> {
    // One that was not restarted yet: the kubelet lets the next restart wait for ten seconds, and longer each time.
    let fresh = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"] == 0;
    let pod = bed.ready_pods()?.into_iter().find(fresh).context("a pod that was never restarted")?;
    let name = text(&pod, "/metadata/name")?;
    let (took, counts) = load::during(bed, |_| {
        let start = Instant::now();
        Process::of(&pod)?.signal(signal)?;
        until("the container was restarted", || {
            let status = bed.get(&["pod", name])?["status"]["containerStatuses"][0].clone();
            Ok(status["restartCount"].as_u64() > pod["status"]["containerStatuses"][0]["restartCount"].as_u64()
                && status["ready"] == true)
        })?;
        Ok(start.elapsed())
    })?;
    let (good, failed, window) = (counts.good.load(Ordering::Relaxed), counts.failed(), counts.failing_for());
    // What was at work in a killed process, and what goes to its address until the kubelet has seen it and the proxies know.
    ensure!(window < Duration::from_secs(10), "{failed} of {good} requests failed, over {window:?}");
    Ok(format!(
        "ready again after {:.1} s; of {} requests {failed} failed, within {:.1} s",
        took.as_secs_f64(),
        good + failed,
        window.as_secs_f64()
    ))
}

/// Pulls the plug of a node; the load is on the others.
pub fn node_killed(bed: &Bed) -> Result<String> {
    /// So long must nothing fail for the service to count as returned.
    const QUIET: Duration = Duration::from_secs(5);
    let outcome = load::during_on(bed, &[1, 3], |counts| {
        let start = Instant::now();
        bed.cluster.kill_node(2)?;
        let (mut failed, mut since) = (0, Instant::now());
        until("nothing fails any more", || {
            if counts.failed() != failed {
                (failed, since) = (counts.failed(), Instant::now());
            }
            // The API server takes 40 s to miss a node: before that, quiet means little.
            let missed = bed.cluster.kubectl(&["get", "node", "node2"])?.contains("NotReady");
            Ok(missed && since.elapsed() > QUIET)
        })?;
        Ok(start.elapsed() - QUIET)
    });
    let start = Instant::now();
    bed.cluster.start_node(2)?;
    until("all pods are ready again", || Ok(bed.ready_pods()?.len() == 3))?;
    let back = start.elapsed();
    let (took, counts) = outcome?;
    let (good, failed) = (counts.good.load(Ordering::Relaxed), counts.failed());
    Ok(format!(
        "the others served alone after {:.0} s; of {} requests {failed} failed; the node was back after {:.1} s",
        took.as_secs_f64(),
        good + failed,
        back.as_secs_f64()
    ))
}

/// A pod of the image by itself, as strict as the namespace asks for.
pub fn pod(name: &str, environment: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": crate::bed::NAMESPACE},
        "spec": {
            "runtimeClassName": "wasmtime-spin",
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "httpserver",
                "image": IMAGE,
                "command": ["/"],
                "env": environment,
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}
                }
            }]
        }
    })
}
