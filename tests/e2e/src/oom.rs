//! Too little memory, for one request and for a container.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::images::GUEST;
use crate::pod::{Pod, get_status};
use crate::testbed::{Testbed, text, until};

/// A guest takes all memory that an instance may have: its request fails, and no other.
pub fn by_request(testbed: &Testbed) -> Result<String> {
    let pod = Pod::for_component("greedy", GUEST)
        .with("/spec/containers/0/resources", json!({"limits": {"memory": "256Mi"}}));
    pod.while_ready(testbed, |state| {
        let (greedy, next) = (get_status(testbed, state, "/memory")?, get_status(testbed, state, "/ok")?);
        ensure!((greedy, next) == (500, 200), "the greedy request got {greedy}, the next {next}");
        let restarts = &pod.state(testbed)?["status"]["containerStatuses"][0]["restartCount"];
        ensure!(restarts == 0, "{restarts} restarts");
        let log = testbed.kubectl(&["logs", &pod.name])?;
        let reason = log.lines().find(|line| line.contains("GET /memory 500")).context("the log has the reason")?;
        Ok(format!("500, the next one 200; log: {reason}"))
    })
}

/// The memory limit of a container, and of an instance in it: more, and the server would refuse to start.
const STARVED: u64 = 96 << 20;

/// What a request takes there. With its stack and the server's own memory it is more than the container has.
const TOO_MUCH: u64 = STARVED - (3 << 20);

/// An instance may have all memory of the container: the kernel ends the container, and its status has the reason.
pub fn by_limit(testbed: &Testbed) -> Result<String> {
    let pod = Pod::for_component("starved", GUEST)
        .with("/spec/restartPolicy", json!("Always"))
        .with("/spec/containers/0/resources", json!({"limits": {"memory": STARVED.to_string()}}))
        .env("SPIN_MAX_INSTANCE_MEMORY", &STARVED.to_string());
    pod.while_ready(testbed, |state| {
        let outcome = get_status(testbed, state, &format!("/memory/{TOO_MUCH}"));
        ensure!(outcome.is_err(), "more memory than the container has, and still {outcome:?}");
        let mut status = json!(null);
        until("the container was restarted", || {
            status = pod.state(testbed)?["status"]["containerStatuses"][0].clone();
            Ok(status["restartCount"] == 1 && status["ready"] == true)
        })?;
        let end = &status["lastState"]["terminated"];
        let reason = text(end, "/reason")?;
        ensure!(reason == "OOMKilled" && end["exitCode"] == 137, "{end}");
        let next = get_status(testbed, state, "/ok")?;
        ensure!(next == 200, "after the restart {next}");
        Ok(format!("{reason}, exit code 137, restarted, 200"))
    })
}
