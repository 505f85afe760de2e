//! The addresses of the cluster.
//!
//! This machine has a route to [`RANGE`] only. The addresses of services exist only in the nodes, where kube-proxy handles them.

use std::net::Ipv4Addr;

/// The addresses of nodes and pods, to which this machine gets a route. No product that we know uses them by default.
pub const RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 213, 0, 0), 16);

/// The addresses of pods: `--cluster-cidr` of kube-proxy.
pub const PODS: &str = "10.213.128.0/17";

/// The addresses of services: kubeadm's default, which many examples use.
pub const SERVICES: &str = "10.96.0.0/16";

/// The API server's service, the first of [`SERVICES`], which the API server takes for itself.
pub const API_SERVICE: &str = "10.96.0.1";

/// The cluster's DNS: kubeadm's default.
pub const DNS: &str = "10.96.0.10";

/// This machine, as the nodes see it: the client's address in a test's access log.
pub const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 213, 0, 1);

/// The control plane.
pub const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 213, 0, 2);

/// The length of the prefix that this machine, the control plane and the nodes share.
pub const NODES_PREFIX: u8 = 24;

/// The address of node `number`, from 1.
pub fn node(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 213, 0, 10 + number)
}

/// The addresses of the pods of node `number`.
pub fn pods(number: u8) -> String {
    format!("10.213.{}.0/24", 128 + number)
}

/// Whether the route to `destination`, as `ip route` prints it, leads into [`RANGE`]. The default route does not count.
pub fn overlaps(destination: &str) -> bool {
    let (address, prefix) = destination.split_once('/').unwrap_or((destination, "32"));
    let (Ok(address), Ok(prefix)) = (address.parse::<Ipv4Addr>(), prefix.parse::<u8>()) else { return false };
    if prefix == 0 {
        return false;
    }
    let shift = 32 - u32::from(prefix.min(RANGE.1));
    u32::from(address) >> shift == u32::from(RANGE.0) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routes_into_our_range_are_in_the_way() {
        for taken in ["10.213.7.0/24", "10.213.0.0/16", "10.0.0.0/8", "10.213.0.11"] {
            assert!(overlaps(taken), "{taken}");
        }
        for free in ["default", "0.0.0.0/0", "10.212.0.0/16", "192.168.0.0/16", "127.0.0.1"] {
            assert!(!overlaps(free), "{free}");
        }
    }

    #[test]
    fn nodes_and_pods_are_within_the_range() {
        assert!(overlaps(&node(5).to_string()) && overlaps(&pods(5)) && overlaps(PODS));
        assert!(!overlaps(SERVICES));
    }
}
