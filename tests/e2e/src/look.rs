//! What an operator sees: where the pods are, their logs, their figures, and what their processes may do.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::bed::{Bed, text, until};
use crate::process::Process;

pub fn spread(bed: &Bed) -> Result<String> {
    let pods = bed.ready_pods()?;
    let nodes: BTreeSet<_> = pods.iter().map(|pod| text(pod, "/spec/nodeName")).collect::<Result<_>>()?;
    ensure!(pods.len() == 3 && nodes.len() == 3, "{} pods on {nodes:?}", pods.len());
    Ok(format!("{nodes:?}"))
}

pub fn logs(bed: &Bed) -> Result<String> {
    let marker = "/e2e-marker";
    bed.ask(1, marker)?;
    let mut line = String::new();
    until("the request is in the log", || {
        let log = bed.kubectl(&["logs", "--selector=app.kubernetes.io/name=httpserver", "--tail=-1"])?;
        line = log.lines().find(|line| line.contains(marker)).unwrap_or_default().to_owned();
        Ok(!line.is_empty())
    })?;
    let parsed: serde_json::Value = serde_json::from_str(&line).with_context(|| line.clone())?;
    ensure!(parsed["status"] == 200 && parsed["method"] == "GET", "{line}");
    Ok(line)
}

pub fn top(bed: &Bed) -> Result<String> {
    let mut figures = String::new();
    until("metrics-server has figures for three pods", || {
        figures = bed.kubectl(&["top", "pods", "--no-headers"])?;
        Ok(figures.lines().count() >= 3)
    })?;
    let figures: Vec<_> =
        figures.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect();
    Ok(figures.join(", "))
}

pub fn rights(bed: &Bed) -> Result<String> {
    let mut threads = 0;
    for pod in bed.ready_pods()? {
        for status in Process::of(&pod)?.threads()? {
            threads += 1;
            for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                ensure!(status.field(field)? == "0000000000000000", "{status}");
            }
            ensure!(status.field("NoNewPrivs")? == "1" && status.field("Seccomp")? == "2", "{status}");
            for field in ["Uid", "Gid"] {
                ensure!(status.field(field)?.split_whitespace().all(|id| id == "65532"), "{status}");
            }
        }
    }
    Ok(format!("{threads} threads: uid 65532, no capability in any set, NoNewPrivs 1, Seccomp 2"))
}

pub fn memory(bed: &Bed) -> Result<String> {
    let mut lines = Vec::new();
    for pod in bed.ready_pods()? {
        let process = Process::of(&pod)?;
        let outside: Vec<_> = process.shims()?.iter().map(|kib| format!("{:.1}", *kib as f64 / 1024.0)).collect();
        lines.push(format!(
            "{:.1} MiB, its shim's processes {}",
            process.resident()? as f64 / 1024.0,
            outside.join(" + ")
        ));
    }
    Ok(lines.join("; "))
}
