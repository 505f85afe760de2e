//! The cgroup of a container.

use anyhow::Result;
use libcgroups::common::{AnyCgroupManager, CgroupConfig, CgroupManager, ControllerOpt, create_cgroup_manager};
use libcontainer::container::Container;
use oci_spec::runtime::LinuxResources;

/// All processes in it.
pub fn pids(container: &Container) -> Result<Vec<i32>> {
    Ok(manager(container)?.get_all_pids()?.into_iter().map(|pid| pid.as_raw()).collect())
}

/// Sets what `resources` names, and leaves the rest.
pub fn update(container: &Container, resources: &LinuxResources) -> Result<()> {
    let resources = ControllerOpt { resources, disable_oom_killer: false, oom_score_adj: None, freezer_state: None };
    Ok(manager(container)?.apply(&resources)?)
}

fn manager(container: &Container) -> Result<AnyCgroupManager> {
    Ok(create_cgroup_manager(CgroupConfig {
        cgroup_path: container.spec()?.cgroup_path,
        systemd_cgroup: container.systemd(),
        container_name: container.id().to_owned(),
    })?)
}
