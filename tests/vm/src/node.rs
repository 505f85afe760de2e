//! Where a case runs: with one runtime of this node's containerd, and one driver of control groups.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use anyhow::{Result, anyhow};
use k8s_cri::v1::PodSandboxConfig;

use crate::{cri::Cri, pod::Pod};

/// The handlers of `node/etc/containerd.toml`. runc is the measure: the shim need not do what runc does not do.
pub const HANDLERS: [Handler; 4] = [
    Handler { runtime: Runtime::Shim, driver: Driver::Systemd },
    Handler { runtime: Runtime::Shim, driver: Driver::Cgroupfs },
    Handler { runtime: Runtime::Runc, driver: Driver::Systemd },
    Handler { runtime: Runtime::Runc, driver: Driver::Cgroupfs },
];

/// How many ports a case has. The contract needs the most, one for each set of variables.
const PORTS: u16 = 20;

/// A handler: a runtime and a driver, under one name in containerd's configuration.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Handler {
    pub runtime: Runtime,
    pub driver: Driver,
}

/// The program that makes the containers.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Runtime {
    /// The shim under test.
    Shim,
    /// Debian's runc, with containerd's own shim for it.
    Runc,
}

/// The program that makes the control groups.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Driver {
    /// systemd, which makes a scope.
    Systemd,
    /// The runtime, which makes folders.
    Cgroupfs,
}

/// Where a case runs.
pub struct Node {
    pub cri: Arc<Cri>,
    pub handler: Handler,
    /// A different number for each case and handler, from 1.
    pub number: u16,
    /// The pod that all cases of the handler share.
    pub shared: Arc<OnceLock<Result<Pod, String>>>,
}

impl Node {
    /// A pod that all cases of the handler share, which saves half of the time of a case. Nothing removes it: the machine ends with
    /// the last case.
    pub fn pod(&self) -> Result<&Pod> {
        let start = || Pod::start(&self.cri, self.handler, "shared").map_err(|error| format!("{error:#}"));
        self.shared.get_or_init(start).as_ref().map_err(|error| anyhow!("the pod of all cases: {error}"))
    }

    /// A pod for this case alone.
    pub fn own_pod(&self) -> Result<Pod> {
        Pod::start(&self.cri, self.handler, &format!("case{}", self.number))
    }

    /// The same, under the runtime handler `handler`, and with a changed configuration.
    pub fn own_pod_as(&self, handler: Handler, change: impl FnOnce(&mut PodSandboxConfig)) -> Result<Pod> {
        let name = format!("{}-case{}", self.handler, self.number);
        Pod::start_as(&self.cri, handler.to_string(), self.handler.driver, name, change)
    }

    /// What containerd calls the runtime in its command `ctr`.
    pub fn runtime_type(&self) -> &'static str {
        match self.handler.runtime {
            Runtime::Shim => "io.containerd.wasmtime-spin.v1",
            Runtime::Runc => "io.containerd.runc.v2",
        }
    }

    /// The first of [`PORTS`] ports for applications that this case starts: all pods are in the network of the machine.
    pub fn port(&self) -> u16 {
        8000 + PORTS * self.number
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runtime = match self.runtime {
            Runtime::Shim => "shim",
            Runtime::Runc => "runc",
        };
        let driver = match self.driver {
            Driver::Systemd => "systemd",
            Driver::Cgroupfs => "cgroupfs",
        };
        write!(f, "{runtime}-{driver}")
    }
}
