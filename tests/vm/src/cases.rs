//! The cases. A new case is a function in a file of `cases/`, which returns an error if the runtime does not behave as it must, and a
//! row of [`ALL`].

mod application;
mod compiler;
mod confinement;
mod devices;
mod files;
mod names;

use anyhow::Result;

use crate::node::Node;

/// One case.
pub struct Case {
    pub name: &'static str,
    pub run: fn(&Node) -> Result<()>,
    /// Whether it runs with runc, too. Only the shim can start an application.
    pub runc: bool,
}

const fn both(name: &'static str, run: fn(&Node) -> Result<()>) -> Case {
    Case { name, run, runc: true }
}

const fn shim(name: &'static str, run: fn(&Node) -> Result<()>) -> Case {
    Case { name, run, runc: false }
}

/// All of them, in the order in which they start.
pub const ALL: &[Case] = &[
    shim("the application responds, and its cgroup is where the driver puts it", application::responds),
    shim(
        "confinement: a compiler owns nothing, takes from the pod, and is ended if it takes too long",
        compiler::of_a_slow_component,
    ),
    both("confinement: the pod's AppArmor profile is in force for a program", confinement::of_a_program),
    shim("confinement: the pod's AppArmor profile is in force for an application", confinement::of_an_application),
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
    // runc would wait for ever.
    shim("files: /etc/passwd is a pipe", files::passwd_is_a_pipe),
    shim("files: the component is a pipe", files::component_is_a_pipe),
    shim("files: /spin.toml is a pipe", files::manifest_is_a_pipe),
    shim("files: the component is a link out of the image", files::component_is_a_link),
    shim("files: /spin.toml is a link out of the image", files::manifest_is_a_link),
];
