//! The shim's process. containerd runs the binary with `start` or `delete`; `start` runs it once more, to serve.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::Utc;
use containerd_shim::publisher::RemotePublisher;
use containerd_shim::{Config, DeleteResponse, Error, ExitSignal, Flags, Result, Shim, StartOpts, spawn};
use oci_spec::runtime::Spec;

use crate::builder::container::state;
use crate::cgroup::Groups;
use crate::shim::bundle::Bundle;
use crate::shim::events::Events;
use crate::shim::task::to_timestamp;
use crate::shim::task_service::TaskService;
use crate::shim::{cleanup, reaper};

/// The annotation with the pod of a container: the containers of one pod share a shim.
const POD: &str = "io.kubernetes.cri.sandbox-id";

/// The environment variable with the path of the socket on which containerd listens for events.
const TTRPC_ADDRESS: &str = "TTRPC_ADDRESS";

/// The exit code that is reported for a container that ended with its shim: SIGKILL, in the notation of shells.
const KILLED: u32 = 128 + libc::SIGKILL.cast_unsigned();

/// The shim of a pod.
pub struct PodShim {
    id: String,
    namespace: String,
    events: Arc<Events>,
    exit: Arc<ExitSignal>,
}

impl Shim for PodShim {
    type T = TaskService;

    fn new(_: &str, flags: &Flags, _: &mut Config) -> Self {
        let events = Events::new(flags.namespace.clone(), env::var(TTRPC_ADDRESS).unwrap_or_default());
        let (id, namespace) = (flags.id.clone(), flags.namespace.clone());
        Self { id, namespace, events: Arc::new(events), exit: Arc::default() }
    }

    fn start_shim(&mut self, options: StartOpts) -> Result<String> {
        let spec = Spec::load("config.json")
            .map_err(|error| Error::InvalidArgument(format!("cannot read the container's config.json: {error}")))?;
        let annotations = spec.annotations().clone().unwrap_or_default();
        let pod = annotations.get(POD).unwrap_or(&options.id).clone();
        let (_, address) = spawn(options, &pod, Vec::new())?;
        containerd_shim::util::write_address(&address)?;
        Ok(address)
    }

    fn delete_shim(&mut self) -> Result<DeleteResponse> {
        let pid = self.remove_container().unwrap_or_else(|error| {
            // containerd logs it. Without a response, containerd would not remove what is left in other places.
            eprintln!("cannot remove what is left of the container {}: {error:#}", self.id);
            None
        });
        Ok(DeleteResponse {
            pid: pid.unwrap_or_default().cast_unsigned(),
            exit_status: KILLED,
            exited_at: Some(to_timestamp(Utc::now())).into(),
            ..DeleteResponse::default()
        })
    }

    fn wait(&mut self) {
        self.exit.wait();
        self.events.flush();
    }

    fn create_task_service(&self, _: RemotePublisher) -> TaskService {
        reaper::start().expect("a shim that does not see its containers end is of no use");
        TaskService::new(self.namespace.clone(), Arc::clone(&self.events), Arc::clone(&self.exit))
    }
}

impl PodShim {
    /// Removes what a killed shim left of the container. containerd starts this in the container's bundle.
    fn remove_container(&self) -> anyhow::Result<Option<i32>> {
        let mut bundle = Bundle::read(PathBuf::from("."))?;
        let groups = Groups::from_spec(&mut bundle.spec, &self.id)?;
        cleanup::remove(&groups, &state(&self.namespace, &self.id))
    }
}
