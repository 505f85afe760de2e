//! More and less CPU and memory for pods that run (`kubectl patch --subresource resize`), under a constant load.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cgroup;
use crate::load::{self, NoFailures};
use crate::process::PodProcess;
use crate::testbed::{Testbed, text, until};

const MIB: u64 = 1 << 20;

/// The limits that each pod gets, one after the other: more, less than before, and what it had. CPU in thousandths of a core, of which
/// the Deployment's own limit is none; the most that two cores have comes next to that.
const STEPS: [(u64, u64); 3] = [(1000, 512 * MIB), (500, 192 * MIB), (2000, 256 * MIB)];

/// The kernel has the new limits, the process is the same, and no request fails.
pub fn up_and_down(testbed: &Testbed) -> Result<NoFailures> {
    let (pods, counts) = load::during(testbed, |_| {
        let pods = testbed.ready_pods()?;
        for pod in &pods {
            let serving = PodProcess::for_application(pod)?;
            for (cpu, memory) in STEPS {
                resize(testbed, pod, cpu, memory)?;
                until("the kernel has the new limits", || {
                    let is = (cgroup::cpu_limit(&serving.process)?, cgroup::memory_limit(&serving.process)?);
                    ensure!(
                        is == (Some((cpu * 100, 100_000)), Some(memory)),
                        "expected {cpu} m and {memory} bytes: {is:?}"
                    );
                    Ok(true)
                })?;
            }
            let name = text(pod, "/metadata/name")?;
            let now = testbed.get(&["pod", name])?;
            let status = &now["status"]["containerStatuses"][0];
            ensure!(status["restartCount"] == pod["status"]["containerStatuses"][0]["restartCount"], "{status}");
            let conditions = now["status"]["conditions"].as_array().context("a pod has conditions")?;
            let failed = conditions.iter().find(|condition| {
                let kind = condition["type"].as_str().unwrap_or_default();
                kind.starts_with("PodResize") && condition["reason"] == "Error"
            });
            ensure!(failed.is_none(), "{failed:?}");
        }
        Ok(pods.len())
    })?;
    Ok(counts.none_failed(testbed)?.and(format!("{} changes in each of {pods} pods, by the kernel", STEPS.len())))
}

fn resize(testbed: &Testbed, pod: &Value, cpu: u64, memory: u64) -> Result<()> {
    let container = text(pod, "/spec/containers/0/name")?;
    let limits = json!({"cpu": format!("{cpu}m"), "memory": memory.to_string()});
    let patch = json!({"spec": {"containers": [{"name": container, "resources": {"limits": limits}}]}}).to_string();
    let name = text(pod, "/metadata/name")?;
    testbed.kubectl(&["patch", "pod", name, "--subresource", "resize", "--patch", &patch]).map(drop)
}
