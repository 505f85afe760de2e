//! A pod and its containers, as the kubelet asks containerd for them.

mod container;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_cri::v1::{
    ContainerMetadata, ContainerState, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, PodSandboxConfig,
    PodSandboxMetadata,
};
use serde_json::Value;
use test_cluster::wait::find;

use crate::{
    cri::{Cri, PATIENCE},
    node::{Driver, Handler},
};
pub use container::Container;

/// A pod that runs.
pub struct Pod {
    cri: Arc<Cri>,
    id: String,
    config: PodSandboxConfig,
    driver: Driver,
    containers: AtomicUsize,
}

/// A container that was started.
pub struct Running {
    cri: Arc<Cri>,
    pub id: String,
    log: String,
}

/// How a container ended.
#[derive(Debug)]
pub struct End {
    pub code: i32,
    pub log: String,
}

impl Pod {
    /// Starts a pod.
    pub fn start(cri: &Arc<Cri>, handler: Handler, name: &str) -> Result<Self> {
        Self::start_as(cri, handler.to_string(), handler.driver, format!("{handler}-{name}"), |_| ())
    }

    /// Starts a pod in the network of the machine: that needs no CNI. `change` changes its configuration.
    pub fn start_as(
        cri: &Arc<Cri>,
        handler: String,
        driver: Driver,
        name: String,
        change: impl FnOnce(&mut PodSandboxConfig),
    ) -> Result<Self> {
        let security_context =
            LinuxSandboxSecurityContext { namespace_options: Some(container::namespaces()), ..Default::default() };
        let linux = LinuxPodSandboxConfig {
            cgroup_parent: cgroup_parent(driver, &name),
            security_context: Some(security_context),
            ..Default::default()
        };
        let mut config = PodSandboxConfig {
            log_directory: format!("/var/log/pods/{name}"),
            metadata: Some(PodSandboxMetadata { uid: name.clone(), name, ..Default::default() }),
            linux: Some(linux),
            ..Default::default()
        };
        change(&mut config);
        let id = cri.run_pod(handler, config.clone())?;
        Ok(Self { cri: Arc::clone(cri), id, config, driver, containers: AtomicUsize::new(0) })
    }

    /// Starts `container`.
    pub fn run(&self, container: Container) -> Result<Running> {
        let name = format!("container{}", self.containers.fetch_add(1, Ordering::Relaxed));
        let mut config = container.into_config();
        config.log_path = format!("{name}.log");
        let log = format!("{}/{}", self.config.log_directory, config.log_path);
        config.metadata = Some(ContainerMetadata { name, attempt: 0 });
        let id = self.cri.create(&self.id, config, self.config.clone())?;
        self.cri.start(&id)?;
        Ok(Running { cri: Arc::clone(&self.cri), id, log })
    }

    /// Starts `container` and waits for its end.
    pub fn run_to_end(&self, container: Container) -> Result<End> {
        self.run(container)?.end()
    }

    /// The same pod, by a connection to another containerd, or to one that was restarted.
    pub fn seen_by(&self, cri: &Arc<Cri>) -> Self {
        let (id, config) = (self.id.clone(), self.config.clone());
        Self { cri: Arc::clone(cri), id, config, driver: self.driver, containers: AtomicUsize::new(0) }
    }

    /// Ends and removes it.
    pub fn remove(&self) -> Result<()> {
        self.cri.remove_pod(&self.id)
    }

    /// Its own control group, below `/sys/fs/cgroup`.
    pub fn cgroup(&self) -> String {
        let name = self.config.linux.as_ref().map_or("", |linux| &linux.cgroup_parent);
        match self.driver {
            // A slice is in that slice whose name is the part before its last dash.
            Driver::Systemd => format!("/kubepods.slice/{name}"),
            Driver::Cgroupfs => name.to_owned(),
        }
    }

    /// Where the control group of `container` has to be, below `/sys/fs/cgroup`.
    pub fn cgroup_of(&self, container: &Running) -> String {
        match self.driver {
            Driver::Systemd => format!("{}/cri-containerd-{}.scope", self.cgroup(), container.id),
            Driver::Cgroupfs => format!("{}/{}", self.cgroup(), container.id),
        }
    }
}

/// The control group of a pod, in the words that the kubelet has for the driver.
fn cgroup_parent(driver: Driver, name: &str) -> String {
    match driver {
        Driver::Systemd => format!("kubepods-{}.slice", name.replace('-', "_")),
        Driver::Cgroupfs => format!("/kubepods/{name}"),
    }
}

impl Running {
    /// Waits until it has ended.
    pub fn end(&self) -> Result<End> {
        let code = find("the container ends", PATIENCE, || {
            let (status, _) = self.cri.status(&self.id)?;
            Ok((status.state() == ContainerState::ContainerExited).then_some(status.exit_code))
        })?;
        Ok(End { code, log: self.log()? })
    }

    /// Sends SIGTERM, and SIGKILL after `grace`, and waits until it has ended.
    pub fn stop(&self, grace: Duration) -> Result<End> {
        self.cri.stop(&self.id, grace)?;
        self.end()
    }

    /// What it has printed so far, without the time and stream that containerd puts before each line.
    pub fn log(&self) -> Result<String> {
        let log = fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log))?;
        // containerd may be writing another one.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let mut printed = String::new();
        for line in whole.lines() {
            let mut words = line.splitn(4, ' ').skip(2);
            let (Some(tag), Some(text)) = (words.next(), words.next()) else { continue };
            printed.push_str(text);
            // A line of more than 16 KiB comes in several, of which only the last one is full (F).
            if tag == "F" {
                printed.push('\n');
            }
        }
        Ok(printed)
    }

    /// The same container, by a connection to a containerd that was restarted.
    pub fn seen_by(&self, cri: &Arc<Cri>) -> Self {
        Self { cri: Arc::clone(cri), id: self.id.clone(), log: self.log.clone() }
    }

    /// Its first process.
    pub fn pid(&self) -> Result<i32> {
        let (_, info) = self.cri.status(&self.id)?;
        let pid = info.get("pid").and_then(Value::as_i64).context("containerd knows the process")?;
        Ok(pid.try_into()?)
    }

    /// Its control group, as its first process sees it from outside of it, below `/sys/fs/cgroup`.
    pub fn cgroup(&self) -> Result<String> {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.pid()?))?;
        Ok(groups.trim().strip_prefix("0::").context("control groups of version 2")?.to_owned())
    }
}
