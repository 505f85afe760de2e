//! What runs, for people.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;

use crate::process::Process;
use crate::{Cluster, Daemon, layout};

/// A table of the daemons, the nodes as the API server sees them, and how to use the cluster.
pub fn status(cluster: &Cluster) -> Result<String> {
    let mut text = format!("{:<32} {:>8} {:>8} {:>8}\n", "daemon", "pid", "uptime", "memory");
    let machines = std::iter::once("control".to_owned()).chain(cluster.nodes().into_iter().map(|node| node.name));
    let daemons = Daemon::all(cluster.nodes().len() as u8).into_iter().map(Daemon::name);
    let mut total = 0;
    for name in machines.chain(daemons) {
        let process = Process::read(&layout::pid(&name));
        match process.and_then(|process| Some((process.pid, process.uptime()?, process.memory()?))) {
            Some((pid, uptime, memory)) => {
                total += memory;
                writeln!(text, "{name:<32} {pid:>8} {:>8} {:>5} MB", short(uptime), memory / 1_000_000)?;
            }
            None => writeln!(text, "{name:<32} {:>8}", "ended")?,
        }
    }
    writeln!(text, "{:<32} {:>8} {:>8} {:>5} MB\n", "together, without the pods", "", "", total / 1_000_000)?;
    match cluster.kubectl(&["get", "nodes", "--output=wide"]) {
        Ok(nodes) => text.push_str(&nodes),
        Err(error) => writeln!(text, "the API server does not answer: {error:#}")?,
    }
    writeln!(text, "\n{}", usage(cluster))?;
    Ok(text)
}

/// How to use the cluster.
pub fn usage(cluster: &Cluster) -> String {
    let ingress: Vec<_> = cluster.nodes().iter().map(|node| format!("http://{}", node.ip)).collect();
    format!(
        "Ingress:  {}\nkubectl:  cargo xtask cluster kubectl get pods -A\n          or KUBECONFIG={}\nlogs:     {}",
        ingress.join("  "),
        cluster.kubeconfig().display(),
        layout::path("log").display()
    )
}

fn short(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..100 => format!("{seconds} s"),
        seconds @ 100..6000 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_is_short() {
        for (seconds, expected) in [(7, "7 s"), (150, "2 min"), (7200, "2 h")] {
            assert_eq!(short(Duration::from_secs(seconds)), expected);
        }
    }
}
