//! The contract of the application, as Kubernetes runs it: started through CRI, by the shim, from the image.

use std::{iter, time::Instant};

use anyhow::{Result, ensure};
use test_contract::{NearServer, Target, Variables};

use super::application;
use crate::{images::HTTPSERVER, node::Node, pod::Container};

/// The whole table: a container for each set of variables that a case needs.
pub fn table(node: &Node) -> Result<()> {
    let start = Instant::now();
    let pod = node.own_pod()?;
    let mut servers = Vec::new();
    for (port, variables) in (node.port()..).zip(iter::once(Variables::new()).chain(test_contract::variable_sets())) {
        let variable = |container: Container, (name, value): (&String, &String)| {
            container.with_environment(&format!("SPIN_VARIABLE_{}", name.to_uppercase()), value)
        };
        let container = variables.iter().fold(Container::of_component(HTTPSERVER, port), variable);
        let container = pod.run(container)?;
        let log = move || container.log().unwrap_or_default().lines().map(str::to_owned).collect();
        servers.push(NearServer { variables, address: ([127, 0, 0, 1], port).into(), log: Box::new(log) });
    }
    for server in &servers {
        application::healthy_at(server.address.port())?;
    }
    let (number, ready) = (servers.len(), start.elapsed());
    let summary = test_contract::run(Target::near("container", servers));
    ensure!(summary.failed.is_empty(), "{summary}:\n{}", summary.failed.join("\n"));
    let not_run = [summary.without_server.as_slice(), &summary.excluded].concat();
    ensure!(not_run.is_empty(), "{summary}:\n{}", not_run.join("\n"));
    println!(
        "contract: {summary}; {number} containers were ready after {ready:.1?}, the table after {:.1?}",
        start.elapsed()
    );
    pod.remove()
}
