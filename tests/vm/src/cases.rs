//! The cases. A new case is a function in a file of `cases/`, which returns an error if the runtime does not behave as it must, and a
//! row of [`ALL`].

mod application;
mod compiler;
mod confinement;
mod containerd;
mod contract;
mod creation;
mod devices;
mod files;
mod installer;
mod names;
mod processes;
mod resources;

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    images::BUSYBOX,
    node::{HANDLERS, Handler, Node, Runtime},
    pod::Container,
};

/// One case.
pub struct Case {
    pub name: &'static str,
    pub run: fn(&Node) -> Result<()>,
    /// Whether no other case runs meanwhile, since it changes the machine for all of them.
    pub alone: bool,
    handlers: Handlers,
}

/// On which handlers a case runs.
enum Handlers {
    All,
    /// Only the shim can start an application.
    Shim,
    /// The first one: the driver of control groups makes no difference to it.
    One,
}

const fn both(name: &'static str, run: fn(&Node) -> Result<()>) -> Case {
    Case { name, run, alone: false, handlers: Handlers::All }
}

const fn shim(name: &'static str, run: fn(&Node) -> Result<()>) -> Case {
    Case { name, run, alone: false, handlers: Handlers::Shim }
}

const fn once(name: &'static str, run: fn(&Node) -> Result<()>) -> Case {
    Case { name, run, alone: false, handlers: Handlers::One }
}

const fn alone(name: &'static str, run: fn(&Node) -> Result<()>) -> Case {
    Case { name, run, alone: true, handlers: Handlers::One }
}

impl Case {
    /// Whether it runs on `handler`.
    pub fn is_for(&self, handler: Handler) -> bool {
        match self.handlers {
            Handlers::All => true,
            Handlers::Shim => handler.runtime == Runtime::Shim,
            Handlers::One => handler == HANDLERS[0],
        }
    }
}

/// All of them, in the order in which they start.
pub const ALL: &[Case] = &[
    // First, while few pods have to be found again by a containerd that was restarted.
    alone("installer: it adds the handler, and takes away all that it brought", installer::adds_and_removes),
    once("the contract, all of its table", contract::table),
    shim("the application responds, and its cgroup is where the driver puts it", application::responds),
    shim(
        "confinement: a compiler owns nothing, takes from the pod, and is ended if it takes too long",
        compiler::of_a_slow_component,
    ),
    both("confinement: the pod's AppArmor profile is in force for a program", confinement::of_a_program),
    shim("confinement: the pod's AppArmor profile is in force for an application", confinement::of_an_application),
    shim("the application ends at a SIGTERM during its start", application::stopped_during_its_start),
    both("devices: root makes a node of the disk, and cannot read it", devices::made_by_root),
    both("devices: the disk as a node in the image cannot be read", devices::disk_of_the_image),
    both("devices: no other device in the image can be opened", devices::others_of_the_image),
    both("devices: those that every container has can be used", devices::of_every_container),
    both("devices: one that the pod asks for can be used, as far as it asks", devices::asked_for),
    both("devices: a program for devices is on the container's cgroup", devices::program_of_the_kernel),
    shim(
        "devices: a container without a device program does not start, and leaves nothing behind",
        devices::without_a_program,
    ),
    both("names: no library of the image runs before a program", names::of_a_program),
    shim("names: no library of the image runs in the application", names::of_an_application),
    both("processes: a real-time signal reaches a program, and ends another", processes::real_time_signal),
    both("processes: those of a pod are in one namespace, and leave nothing behind", processes::shared),
    shim("processes: the application ends among the processes of its pod", processes::application_among_others),
    shim("processes: a user namespace is refused, with what to do", processes::own_users),
    shim("processes: a container can be removed when all else of its shim was killed", processes::without_helpers),
    shim("processes: those outside of the pod have only their own descriptors open", processes::descriptors),
    shim("processes: without a descriptor or a process left there is an error", processes::exhausted),
    shim("creation: one that hangs ends in time, says where, and leaves nothing", creation::hangs),
    shim("creation: one that was given up does not come back", creation::given_up),
    // runc refuses the path of the other driver, or makes a group of that name.
    shim("resources: the path of the control group decides about the driver", resources::another_driver),
    both("resources: limits are set, go up and down, and leave the devices alone", resources::limited),
    both("resources: the figures are the kernel's", resources::figures),
    // With systemd, runc says of one in three that it ended with an error.
    shim("resources: a container with too much memory ends as OOMKilled", resources::too_much_memory),
    both(
        "resources: a child with too much memory is told while the container runs",
        resources::child_with_too_much_memory,
    ),
    shim("containerd: what it started goes on when it is killed, and is its own when it is back", containerd::killed),
    // runc would wait for ever.
    shim("files: /etc/passwd is a pipe", files::passwd_is_a_pipe),
    shim("files: the component is a pipe", files::component_is_a_pipe),
    shim("files: /spin.toml is a pipe", files::manifest_is_a_pipe),
    shim("files: the component is a link out of the image", files::component_is_a_link),
    shim("files: /spin.toml is a link out of the image", files::manifest_is_a_link),
];

/// A container that does nothing, for as long as any case takes.
fn idle() -> Container {
    Container::of_program(BUSYBOX, &["/busybox", "sleep", "1000"])
}

/// Where a control group is.
fn folder(cgroup: &str) -> PathBuf {
    PathBuf::from(format!("/sys/fs/cgroup{cgroup}"))
}
