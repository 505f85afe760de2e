//! containerd's interface for the kubelet (CRI): the calls that the cases make.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_cri::v1::{
    ContainerConfig, ContainerStats, ContainerStatsRequest, ContainerStatus, ContainerStatusRequest,
    CreateContainerRequest, LinuxContainerResources, PodSandboxConfig, RemoveContainerRequest, RemovePodSandboxRequest,
    RunPodSandboxRequest, StartContainerRequest, StatusRequest, StopContainerRequest, StopPodSandboxRequest,
    UpdateContainerResourcesRequest, runtime_service_client::RuntimeServiceClient,
};
use serde_json::Value;
use tokio::{runtime::Runtime, time::timeout};
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint},
};

/// The longest time for a call, and for a container to do something. An emulated processor is slow: a pod takes 2 s, and one whose
/// component is compiled 8 s, when the real machine does nothing else. The shim gives a compiler up to 60 s.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Where containerd listens by default.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

/// A connection to containerd.
pub struct Cri {
    runtime: Runtime,
    client: RuntimeServiceClient<Channel>,
}

impl Cri {
    /// Connects to the containerd that listens at `socket`.
    pub fn connect(socket: &str) -> Result<Self> {
        let runtime = Runtime::new()?;
        let channel = runtime.block_on(Endpoint::from_shared(format!("unix://{socket}"))?.connect());
        Ok(Self { client: RuntimeServiceClient::new(channel.context("no containerd")?), runtime })
    }

    /// `Status`: the names of the handlers.
    pub fn handlers(&self) -> Result<Vec<String>> {
        let request = StatusRequest { verbose: false };
        let response = self.call("asking for the handlers", async |mut cri| cri.status(request).await)?;
        Ok(response.runtime_handlers.into_iter().map(|handler| handler.name).collect())
    }

    /// `RunPodSandbox`: the id of the pod.
    pub fn run_pod(&self, handler: String, config: PodSandboxConfig) -> Result<String> {
        let request = RunPodSandboxRequest { config: Some(config), runtime_handler: handler };
        let call = self.call("starting the pod", async |mut cri| cri.run_pod_sandbox(request).await);
        Ok(call?.pod_sandbox_id)
    }

    /// `CreateContainer`: the id of the container.
    pub fn create(&self, pod: &str, config: ContainerConfig, pod_config: PodSandboxConfig) -> Result<String> {
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.to_owned(),
            config: Some(config),
            sandbox_config: Some(pod_config),
        };
        let call = self.call("creating the container", async |mut cri| cri.create_container(request).await);
        Ok(call?.container_id)
    }

    /// `StartContainer`.
    pub fn start(&self, container: &str) -> Result<()> {
        let request = StartContainerRequest { container_id: container.to_owned() };
        self.call("starting the container", async |mut cri| cri.start_container(request).await).map(drop)
    }

    /// `StopContainer`: SIGTERM, and SIGKILL after `grace`.
    pub fn stop(&self, container: &str, grace: Duration) -> Result<()> {
        let request =
            StopContainerRequest { container_id: container.to_owned(), timeout: grace.as_secs().cast_signed() };
        self.call("stopping the container", async |mut cri| cri.stop_container(request).await).map(drop)
    }

    /// `RemoveContainer`.
    pub fn remove(&self, container: &str) -> Result<()> {
        let request = RemoveContainerRequest { container_id: container.to_owned() };
        self.call("removing the container", async |mut cri| cri.remove_container(request).await).map(drop)
    }

    /// `StopPodSandbox` and `RemovePodSandbox`.
    pub fn remove_pod(&self, pod: &str) -> Result<()> {
        let request = StopPodSandboxRequest { pod_sandbox_id: pod.to_owned() };
        self.call("stopping the pod", async |mut cri| cri.stop_pod_sandbox(request).await)?;
        let request = RemovePodSandboxRequest { pod_sandbox_id: pod.to_owned() };
        self.call("removing the pod", async |mut cri| cri.remove_pod_sandbox(request).await).map(drop)
    }

    /// `UpdateContainerResources`.
    pub fn update(&self, container: &str, resources: LinuxContainerResources) -> Result<()> {
        let request = UpdateContainerResourcesRequest {
            container_id: container.to_owned(),
            linux: Some(resources),
            ..Default::default()
        };
        self.call("updating the container", async |mut cri| cri.update_container_resources(request).await).map(drop)
    }

    /// `ContainerStats`.
    pub fn stats(&self, container: &str) -> Result<ContainerStats> {
        let request = ContainerStatsRequest { container_id: container.to_owned() };
        let response =
            self.call("asking what the container uses", async |mut cri| cri.container_stats(request).await)?;
        response.stats.context("a container has figures")
    }

    /// `ContainerStatus`, and the additional information of containerd.
    pub fn status(&self, container: &str) -> Result<(ContainerStatus, Value)> {
        let request = ContainerStatusRequest { container_id: container.to_owned(), verbose: true };
        let response = self.call("asking for the container", async |mut cri| cri.container_status(request).await)?;
        let info = response.info.get("info").map_or("null", String::as_str);
        Ok((response.status.context("a container has a status")?, serde_json::from_str(info)?))
    }

    fn call<T>(
        &self,
        what: &str,
        call: impl AsyncFnOnce(RuntimeServiceClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Result<T> {
        let response = self.runtime.block_on(async { timeout(PATIENCE, call(self.client.clone())).await });
        let response = response.with_context(|| format!("{what}: no response within {} s", PATIENCE.as_secs()))?;
        response.map(Response::into_inner).map_err(|status| anyhow::anyhow!("{what}: {}", status.message()))
    }
}
