//! The network: one switch in the control plane's namespace, a cable to each node and one to this machine.
//!
//! All of it belongs to namespaces, this machine's end of the cable too, so that it goes with them.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::address;
use crate::command::{output, output_with};
use crate::machine::Machine;

/// This machine's end of the cable.
pub const LINK: &str = "httpserver0";

/// Fails if our name or our addresses are in use already.
pub fn check() -> Result<()> {
    ensure!(
        !link_exists(),
        "there is a network link {LINK} that no cluster of ours runs with; expected none: look at it with `ip link show \
         {LINK}`, and remove it with `ip link del {LINK}`"
    );
    let routes = output(Command::new("ip").args(["-json", "-4", "route", "show", "table", "all"]))?;
    let routes: serde_json::Value = serde_json::from_str(&routes)?;
    let mut destinations = routes.as_array().into_iter().flatten().filter_map(|route| route["dst"].as_str());
    let (range, prefix) = address::RANGE;
    if let Some(taken) = destinations.find(|destination| address::overlaps(destination)) {
        anyhow::bail!(
            "this machine already has a route to {taken}, which is in the cluster's range {range}/{prefix}; expected \
             none: see `ip route show table all`"
        );
    }
    Ok(())
}

/// Lays the switch, and the cable to this machine, with the routes to the pods of `nodes` nodes.
pub fn connect_control(control: Machine, nodes: u8) -> Result<()> {
    let (pid, prefix) = (control.init.pid, address::NODES_PREFIX);
    let mut host = format!(
        "link add {LINK} type veth peer name uplink netns {pid}\n\
         addr add {}/{prefix} dev {LINK}\n\
         link set {LINK} up\n",
        address::MACHINE
    );
    let mut inside = format!(
        "link set lo up\n\
         link add switch type bridge\n\
         addr add {}/{prefix} dev switch\n\
         link set switch up\n\
         link set uplink master switch up\n",
        address::CONTROL
    );
    for number in 1..=nodes {
        let route = format!("route add {} via {}\n", address::pods(number), address::node(number));
        host.push_str(&route);
        inside.push_str(&route);
    }
    output_with(Command::new("ip").args(["-batch", "-"]), &host)?;
    output_with(control.in_network("ip").args(["-batch", "-"]), &inside)?;
    Ok(())
}

/// Lays the cable between the switch and node `number` of `nodes`.
///
/// No default route: what is not ours is unreachable, and the addresses of services, which kube-proxy rewrites on their
/// way out, need any route at all to get that far.
pub fn connect_node(control: Machine, node: Machine, number: u8, nodes: u8) -> Result<()> {
    unplug(control, number)?;
    let port = port(number);
    let switch = format!(
        "link add {port} type veth peer name eth0 netns {}\n\
         link set {port} master switch up\n",
        node.init.pid
    );
    output_with(control.in_network("ip").args(["-batch", "-"]), &switch)?;
    let mut inside = format!(
        "link set lo up\n\
         addr add {}/{} dev eth0\n\
         link set eth0 up\n\
         route add {} dev eth0\n",
        address::node(number),
        address::NODES_PREFIX,
        address::SERVICES
    );
    for other in (1..=nodes).filter(|other| *other != number) {
        inside.push_str(&format!("route add {} via {}\n", address::pods(other), address::node(other)));
    }
    output_with(node.in_network("ip").args(["-batch", "-"]), &inside)?;
    output(node.in_network("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]))?;
    Ok(())
}

/// Removes the cable to node `number`, should there be one. Not left to the end of the node's namespace: its kernel goes on
/// for a minute closing connections, and answers those who try a new one.
pub fn unplug(control: Machine, number: u8) -> Result<()> {
    let port = port(number);
    let links = output(control.in_network("ip").args(["-json", "link", "show"]))?;
    let links: serde_json::Value = serde_json::from_str(&links)?;
    if links.as_array().into_iter().flatten().any(|link| link["ifname"] == port.as_str()) {
        output(control.in_network("ip").args(["link", "del", &port]))?;
    }
    Ok(())
}

/// The switch's end of a node's cable.
fn port(number: u8) -> String {
    format!("node{number}")
}

/// Removes this machine's end of the cable, should there still be one.
pub fn disconnect() -> Result<()> {
    if link_exists()
        && let Err(error) = output(Command::new("ip").args(["link", "del", LINK]))
        && link_exists()
    {
        return Err(error);
    }
    Ok(())
}

fn link_exists() -> bool {
    Path::new("/sys/class/net").join(LINK).exists()
}
