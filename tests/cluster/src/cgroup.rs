//! The nodes' control groups, in either version of them. Only groups under our own [`ROOT`] are made, changed, removed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, ensure};

use crate::wait::{self, PATIENCE};

/// The group of the whole cluster, in every hierarchy.
pub const ROOT: &str = "httpserver-cluster";

/// Where the kernel shows control groups.
const MOUNT: &str = "/sys/fs/cgroup";

/// What the kubelet wants to limit.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// An error if the kernel has not all controllers that the kubelet needs.
pub fn check() -> Result<()> {
    let missing: Vec<_> = match controllers(Path::new(MOUNT)) {
        Some(there) => CONTROLLERS.into_iter().filter(|name| !there.iter().any(|other| other == name)).collect(),
        None => CONTROLLERS.into_iter().filter(|name| !Path::new(MOUNT).join(name).is_dir()).collect(),
    };
    ensure!(
        missing.is_empty(),
        "{MOUNT} has no control group controller {}; expected {}: in a container, start that with \
         `--privileged --cgroupns=host`",
        missing.join(", "),
        CONTROLLERS.join(", ")
    );
    Ok(())
}

/// Makes the group of node `name` in every hierarchy; those that were in it before the node was killed are gone, as after
/// a machine's own start. (The kubelet takes 3 s for each container that it finds only here.)
pub fn make(name: &str) -> Result<()> {
    remove_everywhere(&Path::new(ROOT).join(name))?;
    for hierarchy in hierarchies()? {
        let ours = hierarchy.join(ROOT);
        let node = ours.join(name);
        fs::create_dir_all(&node).with_context(|| format!("cannot make {}", node.display()))?;
        if hierarchy == Path::new(MOUNT) {
            enable(&hierarchy)?;
            enable(&ours)?;
        } else if hierarchy.join("cpuset.cpus").is_file() {
            // In version 1 these start empty, and no process can join a group that has no processor.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let value = fs::read(hierarchy.join(file))?;
                fs::write(ours.join(file), &value)?;
                fs::write(node.join(file), &value)?;
            }
        }
    }
    Ok(())
}

/// Removes all our groups; no process is left in them.
pub fn remove() -> Result<()> {
    remove_everywhere(Path::new(ROOT))
}

fn remove_everywhere(group: &Path) -> Result<()> {
    // On a machine with both versions, runc makes groups also in version 2, where no controller is.
    for hierarchy in hierarchies()?.into_iter().chain([Path::new(MOUNT).join("unified")]) {
        let ours = hierarchy.join(group);
        // The kernel takes a moment from a process's end until its group counts as empty.
        wait::until(&format!("removal of {}", ours.display()), PATIENCE, || Ok(remove_tree(&ours).is_ok()))?;
    }
    Ok(())
}

/// Version 2 has one hierarchy, version 1 one for each controller or two. Links among them are other names of the same.
fn hierarchies() -> Result<Vec<PathBuf>> {
    if controllers(Path::new(MOUNT)).is_some() {
        return Ok(vec![PathBuf::from(MOUNT)]);
    }
    let mut hierarchies = Vec::new();
    for entry in fs::read_dir(MOUNT).with_context(|| format!("cannot read {MOUNT}"))? {
        let entry = entry?;
        // On a machine with both versions, `unified` is version 2 without a controller.
        if entry.file_type()?.is_dir() && entry.file_name() != "unified" && entry.path().join("cgroup.procs").is_file()
        {
            hierarchies.push(entry.path());
        }
    }
    Ok(hierarchies)
}

/// The controllers of a group of version 2; `None` if it is none.
fn controllers(group: &Path) -> Option<Vec<String>> {
    let list = fs::read_to_string(group.join("cgroup.controllers")).ok()?;
    Some(list.split_whitespace().map(str::to_owned).collect())
}

/// Version 2: lets the groups below `group` limit what the kubelet limits.
fn enable(group: &Path) -> Result<()> {
    let file = group.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    for controller in CONTROLLERS.iter().filter(|name| !enabled.split_whitespace().any(|other| other == **name)) {
        fs::write(&file, format!("+{controller}")).with_context(|| {
            format!(
                "cannot enable the controller {controller} in {}: a group with processes of its own cannot have groups \
                 below it that limit something; in a container, start that with `--cgroupns=host`",
                file.display()
            )
        })?;
    }
    Ok(())
}

/// `rmdir` from the leaves up: the files in a group are not removable and need not be.
fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
