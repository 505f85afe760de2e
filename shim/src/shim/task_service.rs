//! The requests of containerd to a shim: containerd's API `containerd.task.v2.Task`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use containerd_shim::api::{
    CheckpointTaskRequest, CloseIORequest, ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse,
    DeleteRequest, DeleteResponse, Empty, ExecProcessRequest, KillRequest, PauseRequest, PidsRequest, PidsResponse,
    ResizePtyRequest, ResumeRequest, ShutdownRequest, StartRequest, StartResponse, StateRequest, StateResponse,
    StatsRequest, StatsResponse, Status, UpdateTaskRequest, WaitRequest, WaitResponse,
};
use containerd_shim::protos::api::ProcessInfo;
use containerd_shim::protos::events::task::{TaskCreate, TaskDelete, TaskIO};
use containerd_shim::protos::ttrpc::Code;
use containerd_shim::util::convert_to_any;
use containerd_shim::{ExitSignal, TtrpcContext, TtrpcResult};

use crate::builder::container::{self, CreateOptions, Stdio};
use crate::builder::precompile;
use crate::cgroup::Groups;
use crate::forks::Deadline;
use crate::image_root::ImageRoot;
use crate::shim::bundle::Bundle;
use crate::shim::events::Events;
use crate::shim::rootfs;
use crate::shim::rpc_error::{self, unimplemented};
use crate::shim::runtime_options::RuntimeOptions;
use crate::shim::task::{Exit, State, Task, to_timestamp};
use crate::shim::tasks::Tasks;

/// What to do instead of starting a second process.
const NO_EXEC: &str = "the container has one process, and its image has no program; probe it by HTTP, and debug it with \
    `kubectl debug`";

/// How long a creation may take, with the compilation of the component. It is half of the 2 min for which the kubelet waits
/// (`runtimeRequestTimeout`): so the error is in the pod's events, and nothing is left when the kubelet tries again.
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);

/// The part of the caller's own time limit that a creation may use, percent. The rest is for the error.
const CREATE_SHARE: u32 = 80;

/// How long the deletion of a container that is being created waits for its end. containerd waits for 5 s.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(4);

/// The containers of a pod.
pub struct TaskService {
    namespace: String,
    events: Arc<Events>,
    /// Tells the shim to end.
    exit: Arc<ExitSignal>,
    tasks: Tasks<Task>,
}

impl TaskService {
    /// A service without containers.
    pub fn new(namespace: String, events: Arc<Events>, exit: Arc<ExitSignal>) -> Self {
        Self { namespace, events, exit, tasks: Tasks::new() }
    }

    fn task(&self, id: &str) -> TtrpcResult<Arc<Task>> {
        let task = self.tasks.get(id);
        task.ok_or_else(|| rpc_error::error(Code::NOT_FOUND, format!("no container {id} in this shim")))
    }

    /// The task `id`; `exec_id` would be a second process in its container.
    fn process(&self, id: &str, exec_id: &str) -> TtrpcResult<Arc<Task>> {
        if exec_id.is_empty() { self.task(id) } else { Err(unimplemented("exec", NO_EXEC)) }
    }

    fn end_if_unused(&self) {
        if self.tasks.have_ended() {
            self.exit.signal();
        }
    }

    fn build(&self, request: &CreateTaskRequest, deadline: &Arc<Deadline>) -> Result<Arc<Task>> {
        let runtime = RuntimeOptions::read(request.options.as_ref())?;
        let mut bundle = Bundle::read(PathBuf::from(&request.bundle))?;
        bundle.refuse_user_namespace()?;
        let groups = Groups::from_spec(&mut bundle.spec, &request.id)?;
        runtime.warn_unless(groups.driver);
        let root = bundle.root()?;
        let mut build = || {
            rootfs::mount(&request.rootfs, &root, deadline)?;
            let image = ImageRoot::open(&root)?;
            bundle.make_explicit(&image)?;
            let code = precompile::compiled(&image, &groups, deadline)?;
            let CreateTaskRequest { stdin, stdout, stderr, .. } = request.clone();
            let options = CreateOptions {
                id: request.id.clone(),
                state: container::state(&self.namespace, &request.id),
                bundle: bundle.folder.clone(),
                stdio: Stdio { stdin, stdout, stderr },
                code,
            };
            let task = Task::create(options, groups.clone(), &bundle.spec, deadline, Arc::clone(&self.events))?;
            if self.tasks.fill(&request.id, &task) {
                return Ok(task);
            }
            task.discard().context("it was deleted while it was created, and cannot be removed")?;
            bail!("it was deleted while it was created")
        };
        build().inspect_err(|_| rootfs::unmount(&request.rootfs, &root))
    }
}

impl containerd_shim::Task for TaskService {
    fn create(&self, context: &TtrpcContext, request: CreateTaskRequest) -> TtrpcResult<CreateTaskResponse> {
        log::debug!("create {}", request.id);
        if !request.checkpoint.is_empty() || !request.parent_checkpoint.is_empty() {
            return Err(unimplemented("a start from a checkpoint", "start the container from its image"));
        }
        if request.terminal {
            return Err(unimplemented("a terminal", "run the container without `tty` and `-t`"));
        }
        let deadline = Arc::new(Deadline::after(create_timeout(context.timeout_nano)));
        if !self.tasks.reserve(&request.id, &deadline) {
            return Err(rpc_error::error(Code::ALREADY_EXISTS, format!("container {} is there already", request.id)));
        }
        // A panic must not keep the name.
        let built = catch_unwind(AssertUnwindSafe(|| self.build(&request, &deadline)));
        let built = built.unwrap_or_else(|_| Err(anyhow!("the shim panicked")));
        let task = built.map_err(|error| {
            self.tasks.free(&request.id);
            self.end_if_unused();
            rpc_error::internal(&error.context(format!("cannot create container {}", request.id)))
        })?;
        let pid = task.pid.cast_unsigned();
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
        let metrics = self.task(&request.id)?.stats()?;
        Ok(StatsResponse { stats: Some(convert_to_any(Box::new(metrics))?).into(), ..StatsResponse::default() })
    }

    fn update(&self, _: &TtrpcContext, request: UpdateTaskRequest) -> TtrpcResult<Empty> {
        log::debug!("update {}", request.id);
        let resources = request.resources.into_option();
        let resources = resources.ok_or_else(|| rpc_error::error(Code::INVALID_ARGUMENT, "update has no resources"))?;
        self.task(&request.id)?.update(&resources.value)?;
        Ok(Empty::new())
    }

    fn kill(&self, _: &TtrpcContext, request: KillRequest) -> TtrpcResult<Empty> {
        log::debug!("kill {} with {}", request.id, request.signal);
        if !self.tasks.give_up(&request.id) {
            self.process(&request.id, &request.exec_id)?.kill(request.signal, request.all)?;
        }
        Ok(Empty::new())
    }

    fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> TtrpcResult<WaitResponse> {
        let Exit { code, at } = self.process(&request.id, &request.exec_id)?.wait();
        Ok(WaitResponse { exit_status: code, exited_at: Some(to_timestamp(at)).into(), ..WaitResponse::default() })
    }

    fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> TtrpcResult<DeleteResponse> {
        log::debug!("delete {}", request.id);
        if self.tasks.give_up(&request.id) {
            self.tasks.wait_until_free(&request.id, GIVE_UP_TIMEOUT);
        }
        let task = self.process(&request.id, &request.exec_id)?;
        task.delete()?;
        self.tasks.free(&request.id);
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
        self.tasks.end();
        self.end_if_unused();
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

/// How long a creation may take whose caller waits for `nanoseconds`; 0 means that the caller sets no limit.
fn create_timeout(nanoseconds: i64) -> Duration {
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds @ 1..) => CREATE_TIMEOUT.min(Duration::from_nanos(nanoseconds) * CREATE_SHARE / 100),
        _ => CREATE_TIMEOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_ends_before_its_caller_stops_waiting() {
        let seconds = |seconds: i64| create_timeout(seconds * 1_000_000_000);
        assert_eq!(seconds(0), CREATE_TIMEOUT);
        assert_eq!(seconds(-1), CREATE_TIMEOUT);
        assert_eq!(seconds(120), CREATE_TIMEOUT);
        assert_eq!(seconds(10), Duration::from_secs(8));
    }
}
