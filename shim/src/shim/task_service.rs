//! The requests of containerd to a shim: containerd's API `containerd.task.v2.Task`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use containerd_shim::api::{
    CheckpointTaskRequest, CloseIORequest, ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse,
    DeleteRequest, DeleteResponse, Empty, ExecProcessRequest, KillRequest, PauseRequest, PidsRequest, PidsResponse,
    ResizePtyRequest, ResumeRequest, ShutdownRequest, StartRequest, StartResponse, StateRequest, StateResponse,
    StatsRequest, StatsResponse, Status, UpdateTaskRequest, WaitRequest, WaitResponse,
};
use containerd_shim::cgroup::collect_metrics;
use containerd_shim::protos::api::ProcessInfo;
use containerd_shim::protos::events::task::{TaskCreate, TaskDelete, TaskIO};
use containerd_shim::protos::ttrpc::Code;
use containerd_shim::util::convert_to_any;
use containerd_shim::{ExitSignal, TtrpcContext, TtrpcResult};

use crate::builder::container::{CreateOptions, Stdio};
use crate::builder::precompile;
use crate::image_root::ImageRoot;
use crate::shim::bundle::Bundle;
use crate::shim::devices::Rules;
use crate::shim::events::Events;
use crate::shim::rootfs;
use crate::shim::rpc_error::{self, unimplemented};
use crate::shim::runtime_options::RuntimeOptions;
use crate::shim::task::{Exit, State, Task, to_timestamp};

/// What to do instead of starting a second process.
const NO_EXEC: &str = "the container has one process, and its image has no program; probe it by HTTP, and debug it with \
    `kubectl debug`";

/// The containers of a pod.
pub struct TaskService {
    namespace: String,
    events: Arc<Events>,
    /// Tells the shim to end.
    exit: Arc<ExitSignal>,
    tasks: Mutex<HashMap<String, Arc<Task>>>,
}

impl TaskService {
    /// A service without containers.
    pub fn new(namespace: String, events: Arc<Events>, exit: Arc<ExitSignal>) -> Self {
        Self { namespace, events, exit, tasks: Mutex::default() }
    }

    fn task(&self, id: &str) -> TtrpcResult<Arc<Task>> {
        let task = self.tasks().get(id).cloned();
        task.ok_or_else(|| rpc_error::error(Code::NOT_FOUND, format!("no container {id} in this shim")))
    }

    /// The task `id`; `exec_id` would be a second process in its container.
    fn process(&self, id: &str, exec_id: &str) -> TtrpcResult<Arc<Task>> {
        if exec_id.is_empty() { self.task(id) } else { Err(unimplemented("exec", NO_EXEC)) }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<String, Arc<Task>>> {
        self.tasks.lock().expect("nothing panics under this lock")
    }

    fn build(&self, request: &CreateTaskRequest) -> Result<Arc<Task>> {
        let runtime = RuntimeOptions::read(request.options.as_ref())?;
        let mut bundle = Bundle::read(PathBuf::from(&request.bundle))?;
        let devices = Rules::from_spec(&bundle.spec)?;
        let root = bundle.root()?;
        rootfs::mount(&request.rootfs, &root)?;
        let image = ImageRoot::open(&root)?;
        bundle.make_explicit(&image)?;
        let code = precompile::compiled(&image, &bundle.spec)?;
        let CreateTaskRequest { stdin, stdout, stderr, .. } = request.clone();
        let options = CreateOptions {
            id: request.id.clone(),
            namespace: self.namespace.clone(),
            bundle: bundle.folder,
            stdio: Stdio { stdin, stdout, stderr },
            systemd_cgroup: runtime.systemd_cgroup,
            code,
        };
        Task::create(options, &devices, Arc::clone(&self.events))
    }
}

impl containerd_shim::Task for TaskService {
    fn create(&self, _: &TtrpcContext, request: CreateTaskRequest) -> TtrpcResult<CreateTaskResponse> {
        log::debug!("create {}", request.id);
        if !request.checkpoint.is_empty() || !request.parent_checkpoint.is_empty() {
            return Err(unimplemented("a start from a checkpoint", "start the container from its image"));
        }
        if request.terminal {
            return Err(unimplemented("a terminal", "run the container without `tty` and `-t`"));
        }
        if self.tasks().contains_key(&request.id) {
            return Err(rpc_error::error(Code::ALREADY_EXISTS, format!("container {} is there already", request.id)));
        }
        let task = self.build(&request).map_err(|error| rpc_error::internal(&error))?;
        let pid = task.pid.cast_unsigned();
        self.tasks().insert(request.id.clone(), task);
        let CreateTaskRequest { id, bundle, rootfs, stdin, stdout, stderr, .. } = request;
        self.events.publish(TaskCreate {
            container_id: id,
            bundle,
            rootfs,
            io: Some(TaskIO { stdin, stdout, stderr, ..TaskIO::default() }).into(),
            pid,
            ..TaskCreate::default()
        });
        Ok(CreateTaskResponse { pid, ..CreateTaskResponse::default() })
    }

    fn start(&self, _: &TtrpcContext, request: StartRequest) -> TtrpcResult<StartResponse> {
        log::debug!("start {}", request.id);
        let task = self.process(&request.id, &request.exec_id)?;
        task.start(&self.events)?;
        Ok(StartResponse { pid: task.pid.cast_unsigned(), ..StartResponse::default() })
    }

    fn state(&self, _: &TtrpcContext, request: StateRequest) -> TtrpcResult<StateResponse> {
        let task = self.process(&request.id, &request.exec_id)?;
        let state = task.state();
        let status = match state {
            State::Created => Status::CREATED,
            State::Running => Status::RUNNING,
            State::Stopped(_) => Status::STOPPED,
        };
        let Stdio { stdin, stdout, stderr } = task.stdio.clone();
        Ok(StateResponse {
            id: request.id,
            bundle: task.bundle.display().to_string(),
            pid: task.pid.cast_unsigned(),
            status: status.into(),
            stdin,
            stdout,
            stderr,
            exit_status: state.exit().map_or(0, |exit| exit.code),
            exited_at: state.exit().map(|exit| to_timestamp(exit.at)).into(),
            ..StateResponse::default()
        })
    }

    fn pids(&self, _: &TtrpcContext, request: PidsRequest) -> TtrpcResult<PidsResponse> {
        let pids = self.task(&request.id)?.pids()?;
        let processes = pids.into_iter().map(|pid| ProcessInfo { pid, ..ProcessInfo::default() }).collect();
        Ok(PidsResponse { processes, ..PidsResponse::default() })
    }

    fn connect(&self, _: &TtrpcContext, request: ConnectRequest) -> TtrpcResult<ConnectResponse> {
        let task_pid = self.task(&request.id)?.pid.cast_unsigned();
        Ok(ConnectResponse { shim_pid: process::id(), task_pid, ..ConnectResponse::default() })
    }

    fn stats(&self, _: &TtrpcContext, request: StatsRequest) -> TtrpcResult<StatsResponse> {
        let task = self.task(&request.id)?;
        task.alive()?;
        let metrics = collect_metrics(task.pid.cast_unsigned())?;
        Ok(StatsResponse { stats: Some(convert_to_any(Box::new(metrics))?).into(), ..StatsResponse::default() })
    }

    fn update(&self, _: &TtrpcContext, request: UpdateTaskRequest) -> TtrpcResult<Empty> {
        log::debug!("update {}", request.id);
        let resources = request.resources.into_option();
        let resources = resources.ok_or_else(|| rpc_error::error(Code::INVALID_ARGUMENT, "update has no resources"))?;
        self.task(&request.id)?.update(resources.value)?;
        Ok(Empty::new())
    }

    fn kill(&self, _: &TtrpcContext, request: KillRequest) -> TtrpcResult<Empty> {
        log::debug!("kill {} with {}", request.id, request.signal);
        self.process(&request.id, &request.exec_id)?.kill(request.signal, request.all)?;
        Ok(Empty::new())
    }

    fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> TtrpcResult<WaitResponse> {
        let Exit { code, at } = self.process(&request.id, &request.exec_id)?.wait();
        Ok(WaitResponse { exit_status: code, exited_at: Some(to_timestamp(at)).into(), ..WaitResponse::default() })
    }

    fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> TtrpcResult<DeleteResponse> {
        log::debug!("delete {}", request.id);
        let task = self.process(&request.id, &request.exec_id)?;
        task.delete()?;
        self.tasks().remove(&request.id);
        let (pid, exit) = (task.pid.cast_unsigned(), task.state().exit());
        let exit_status = exit.map_or(0, |exit| exit.code);
        let exited_at = exit.map(|exit| to_timestamp(exit.at));
        self.events.publish(TaskDelete {
            container_id: request.id,
            pid,
            exit_status,
            exited_at: exited_at.clone().into(),
            ..TaskDelete::default()
        });
        Ok(DeleteResponse { pid, exit_status, exited_at: exited_at.into(), ..DeleteResponse::default() })
    }

    /// Ends the shim if it has no container any more. containerd calls this after each container.
    fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> TtrpcResult<Empty> {
        if self.tasks().is_empty() {
            self.exit.signal();
        }
        Ok(Empty::new())
    }

    fn exec(&self, _: &TtrpcContext, _: ExecProcessRequest) -> TtrpcResult<Empty> {
        Err(unimplemented("exec", NO_EXEC))
    }

    fn resize_pty(&self, _: &TtrpcContext, _: ResizePtyRequest) -> TtrpcResult<Empty> {
        Err(unimplemented("a terminal", "run the container without `tty` and `-t`"))
    }

    fn close_io(&self, _: &TtrpcContext, _: CloseIORequest) -> TtrpcResult<Empty> {
        Err(unimplemented("closing stdin", "kill the container"))
    }

    fn pause(&self, _: &TtrpcContext, _: PauseRequest) -> TtrpcResult<Empty> {
        Err(unimplemented("pause", "scale the Deployment to 0, or delete the container"))
    }

    fn resume(&self, _: &TtrpcContext, _: ResumeRequest) -> TtrpcResult<Empty> {
        Err(unimplemented("resume", "no container is ever paused"))
    }

    fn checkpoint(&self, _: &TtrpcContext, _: CheckpointTaskRequest) -> TtrpcResult<Empty> {
        Err(unimplemented("a checkpoint", "a request leaves nothing behind; start the container anew"))
    }
}
