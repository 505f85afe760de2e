//! Failures while the application serves: how many requests are lost, and how long until it serves as before.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use test_support::Connection;

use crate::load::{self, Counts};
use crate::process::{self, PodProcess};
use crate::testbed::{HOSTNAME, Testbed, text, until};

/// How many requests are in flight in a process when it gets its SIGTERM.
const IN_FLIGHT: usize = 20;

/// The longest time from the first lost request to the last when a process ends. Lost are the requests in the process, and those
/// that are sent to its address until the kubelet sees that it ended (it looks each second) and the proxies know.
const LOSS: Duration = Duration::from_secs(10);

/// The same when the shim ends, and the whole pod with it. Requests are sent to its address until its readiness probe has failed
/// twice (5 s apart, 2 s each) and the proxies know. It takes 16 s until the pod serves again because of the `preStop` hook: the
/// kubelet sees that the sandbox ended before containerd reports that the container did, and waits for the hook first (it is the
/// same with runc's shim: 10.4 s with a hook of 10 s, 0.7 s without).
const LOSS_WITH_SHIM: Duration = Duration::from_secs(15);

/// A SIGTERM of which the kubelet does not know: the requests in flight end whole, and the exit code is 0.
pub fn terminated(testbed: &Testbed) -> Result<String> {
    let pod = fresh(testbed)?;
    let address = SocketAddr::new(text(&pod, "/status/podIP")?.parse()?, 8080);
    let mut requests = (0..IN_FLIGHT).map(|_| HalfSent::open(address)).collect::<Result<Vec<_>>>()?;
    let (status, lost) = restarted(testbed, &pod, LOSS, |pod| {
        process::send(&pod.process, Signal::TERM)?;
        requests.drain(..).enumerate().try_for_each(|(number, request)| {
            request.finish().with_context(|| format!("request {number} of {IN_FLIGHT} was cut"))
        })
    })?;
    let code = &status["lastState"]["terminated"]["exitCode"];
    ensure!(code == 0, "exit code {code}");
    Ok(format!("{IN_FLIGHT} in flight ended whole, exit code 0; {lost}"))
}

/// A request of which half is sent, with a response that has begun: the server cannot have finished it.
struct HalfSent(Connection);

impl HalfSent {
    fn open(address: SocketAddr) -> Result<Self> {
        let mut connection = Connection::try_open(address)?;
        let head = format!("POST /echo HTTP/1.1\r\nHost: {HOSTNAME}\r\nContent-Length: 10\r\n\r\nfirst");
        ensure!(connection.send(head).head().status == 200, "the echo begins");
        Ok(Self(connection))
    }

    fn finish(mut self) -> Result<()> {
        let mut body = Vec::new();
        self.0.send("-last").body(test_support::Framing::Length(10), |bytes| body.extend_from_slice(bytes))?;
        ensure!(body == b"first-last", "{:?}", String::from_utf8_lossy(&body));
        Ok(())
    }
}

/// A SIGKILL of the process, as if it crashed.
pub fn killed(testbed: &Testbed) -> Result<String> {
    let pod = fresh(testbed)?;
    let (status, lost) = restarted(testbed, &pod, LOSS, |pod| process::send(&pod.process, Signal::KILL))?;
    let code = &status["lastState"]["terminated"]["exitCode"];
    ensure!(code == 137, "exit code {code}");
    Ok(lost)
}

/// A SIGKILL of the shim: its container ends with it, and the kubelet makes a new one.
pub fn shim_killed(testbed: &Testbed) -> Result<String> {
    let pod = fresh(testbed)?;
    let old = PodProcess::for_application(&pod)?.process;
    let (_, lost) = restarted(testbed, &pod, LOSS_WITH_SHIM, |pod| process::send(&pod.shim()?, Signal::KILL))?;
    ensure!(!process::is_running(&old), "process {} outlived its shim", old.pid);
    Ok(lost)
}

/// A pod that never restarted: the kubelet delays the second restart of a pod by ten seconds, and each later one by more.
fn fresh(testbed: &Testbed) -> Result<Value> {
    let fresh = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"] == 0;
    testbed.ready_pods()?.into_iter().find(fresh).context("no pod is left that never restarted")
}

/// Does something to the process of a pod under load, and waits until the container was restarted. Requests may fail for as long as
/// `bound`. Returns the container's status, and a text with what was lost.
fn restarted(
    testbed: &Testbed,
    pod: &Value,
    bound: Duration,
    act: impl FnOnce(&PodProcess) -> Result<()>,
) -> Result<(Value, String)> {
    let name = text(pod, "/metadata/name")?;
    let ((status, took), counts) = load::during(testbed, |_| {
        let start = Instant::now();
        act(&PodProcess::for_application(pod)?)?;
        let mut status = Value::Null;
        until("the container was restarted", || {
            status = testbed.get(&["pod", name])?["status"]["containerStatuses"][0].clone();
            Ok(status["restartCount"].as_u64() > Some(0) && status["ready"] == true)
        })?;
        Ok((status, start.elapsed()))
    })?;
    let window = counts.failing_for();
    ensure!(window < bound, "{}, over {window:?}", lost(&counts));
    Ok((
        status,
        format!(
            "ready again after {:.1} s; {}, within {:.1} s",
            took.as_secs_f64(),
            lost(&counts),
            window.as_secs_f64()
        ),
    ))
}

fn lost(counts: &Counts) -> String {
    let (good, failed) = (counts.good.load(Ordering::Relaxed), counts.failed());
    format!("of {} requests {failed} failed", good + failed)
}

/// A node disappears at once; the load is on the others.
pub fn node_killed(testbed: &Testbed) -> Result<String> {
    /// The others serve alone when no request has failed for this time.
    const QUIET: Duration = Duration::from_secs(5);
    /// The API server marks a node as not ready after 50 s (node-monitor-grace-period); until then the proxies send requests there.
    const LOSS: Duration = Duration::from_secs(90);
    let outcome = load::during_on(testbed, &[1, 3], |counts| {
        let start = Instant::now();
        testbed.cluster.kill_node(2)?;
        let (mut failed, mut since) = (0, Instant::now());
        until("no request fails any more", || {
            if counts.failed() != failed {
                (failed, since) = (counts.failed(), Instant::now());
            }
            // Until then requests are sent there, even if none has failed for a while.
            let missed = testbed.cluster.kubectl(&["get", "node", "node2"])?.contains("NotReady");
            Ok(missed && since.elapsed() > QUIET)
        })?;
        Ok(start.elapsed() - QUIET)
    });
    let start = Instant::now();
    testbed.cluster.start_node(2)?;
    until("all pods are ready again", || Ok(testbed.ready_pods()?.len() == 3))?;
    let back = start.elapsed();
    let (took, counts) = outcome?;
    ensure!(counts.failing_for() < LOSS, "{}, over {:?}", lost(&counts), counts.failing_for());
    Ok(format!(
        "the others served alone after {:.0} s; {}; the node was back after {:.1} s",
        took.as_secs_f64(),
        lost(&counts),
        back.as_secs_f64()
    ))
}
