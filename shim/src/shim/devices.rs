//! Restricts a container to the devices that its specification lists.
//!
//! With control groups of version 1 the kernel has a list for each group, which libcontainer writes. With version 2 the kernel calls
//! a program, which is attached to the group, at each `open` and `mknod`; libcontainer attaches none.

mod bpf;
mod program;
mod rules;

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::cgroup::Membership;
pub use rules::Rules;

/// Restricts the container whose process is `pid` to the devices that `rules` allow, and reads the restriction back. Call it from
/// outside, before the container runs anything of its image.
///
/// # Errors
/// The kernel refuses, or the restriction is not in force.
pub fn restrict(pid: i32, rules: &Rules) -> Result<()> {
    let membership = Membership::for_process(pid)?;
    if let Some(group) = membership.version_1("devices") {
        let path = group.join("devices.list");
        let list = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        return rules.check_list(&list);
    }
    let group = membership.version_2().context("the container is in no control group that could restrict devices")?;
    let group =
        fs::File::open(&group).with_context(|| format!("cannot open the control group `{}`", group.display()))?;
    let program = bpf::load(&program::compile(rules)).context("the kernel does not accept the program for devices")?;
    bpf::attach(&program, &group).context("cannot attach the program for devices to the container's control group")?;
    ensure!(
        bpf::attached(&group)?.contains(&bpf::id(&program)?),
        "the container's control group has no program for devices, though one was attached"
    );
    Ok(())
}
