//! Mandatory access control: the AppArmor profile and the SELinux label of the specification.
//!
//! The kernel gives a process its profile or label at an `execve`. An application is served by this process, which makes no
//! `execve`, so it asks for them at once. What is in force afterwards is read back.

use std::fs::File;
use std::io::{self, Write};

use anyhow::{Context, Result, bail, ensure};
use oci_spec::runtime::Spec;
use rustix::fs::OFlags;

use crate::descriptors::open_proc;

/// What the container's process becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Linux program, by an `execve`.
    Program,
    /// Our server, as it is.
    Application,
}

impl Kind {
    /// The name of the file in `/proc/self/attr` for what is in force now, or from the next `execve` on.
    fn file(self) -> &'static str {
        match self {
            Self::Program => "exec",
            Self::Application => "current",
        }
    }
}

/// Puts profile and label of `spec` in force; for a program at its `execve`. Call it before there is a second thread: they belong
/// to threads.
///
/// # Errors
/// The kernel refuses one of them, or does not show it afterwards.
pub fn apply(spec: &Spec, kind: Kind) -> Result<()> {
    let process = spec.process().as_ref().context("the container has no process")?;
    if let Some(profile) = process.apparmor_profile().as_deref().filter(|profile| !profile.is_empty()) {
        apparmor(profile, kind).with_context(|| {
            format!("cannot confine the container with the AppArmor profile \"{profile}\"; is it loaded on this node?")
        })?;
    }
    if let Some(label) = process.selinux_label().as_deref().filter(|label| !label.is_empty()) {
        selinux(label, kind).with_context(|| {
            format!(
                "cannot confine the container with the SELinux label \"{label}\"; expected a policy in which the shim may take \
                 it, or a node without SELinux in containerd's configuration (`enable_selinux = false`)"
            )
        })?;
    }
    Ok(())
}

/// libcontainer has asked for the profile at the next `execve` already.
fn apparmor(profile: &str, kind: Kind) -> Result<()> {
    let own = format!("apparmor/{}", kind.file());
    // A kernel before 5.8 has only the second (apparmor(7)).
    let file = [&*own, kind.file()].into_iter().find(|file| open(file, OFlags::RDONLY).is_ok()).unwrap_or(kind.file());
    if kind == Kind::Application {
        write(file, &format!("changeprofile {profile}"))?;
    }
    let found = read(file)?;
    ensure!(is_confined_by(&found, profile), "the kernel shows \"{}\"", found.trim_end());
    Ok(())
}

fn selinux(label: &str, kind: Kind) -> Result<()> {
    write(kind.file(), label)?;
    let found = read(kind.file())?;
    let found = found.trim_end_matches(['\0', '\n']);
    if found == label { Ok(()) } else { bail!("the kernel shows \"{found}\"") }
}

/// The kernel shows `PROFILE (MODE)`, and a stack of profiles, which all are in force, as `PROFILE//&PROFILE (MODE)`: some kernels
/// stack the profile on that of a process without rights (`kernel.apparmor_restrict_unprivileged_unconfined`).
fn is_confined_by(shown: &str, profile: &str) -> bool {
    let names = shown.trim_end();
    let names = names.rsplit_once(" (").map_or(names, |(names, _)| names);
    names.split("//&").any(|name| name == profile)
}

fn open(file: &str, access: OFlags) -> Result<File> {
    open_proc(&format!("/proc/thread-self/attr/{file}"), access).map(File::from)
}

fn write(file: &str, order: &str) -> Result<()> {
    let written = open(file, OFlags::WRONLY)?.write_all(order.as_bytes());
    written.with_context(|| format!("/proc/thread-self/attr/{file}"))
}

fn read(file: &str) -> Result<String> {
    io::read_to_string(open(file, OFlags::RDONLY)?).with_context(|| format!("/proc/thread-self/attr/{file}"))
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{ProcessBuilder, SpecBuilder};

    use super::*;

    #[test]
    fn a_profile_is_in_force_alone_or_in_a_stack() {
        for shown in ["app (enforce)\n", "app", "app (complain)\n", "unconfined//&app (mixed)\n", "app//&unconfined"] {
            assert!(is_confined_by(shown, "app"), "{shown}");
        }
        for shown in ["unconfined\n", "app//hat (enforce)\n", "app2 (enforce)\n", "", " (enforce)"] {
            assert!(!is_confined_by(shown, "app"), "{shown}");
        }
    }

    #[test]
    fn a_selinux_label_that_cannot_be_applied_is_refused() {
        let process = ProcessBuilder::default().selinux_label("no:such:label:s0").build().unwrap();
        let spec = SpecBuilder::default().process(process).build().unwrap();
        for kind in [Kind::Application, Kind::Program] {
            let error = format!("{:#}", apply(&spec, kind).unwrap_err());
            assert!(error.contains("the SELinux label \"no:such:label:s0\"; expected a policy"), "{error}");
        }
    }

    #[test]
    fn an_apparmor_profile_that_cannot_be_applied_is_refused() {
        let process = ProcessBuilder::default().apparmor_profile("no-such-profile").build().unwrap();
        let spec = SpecBuilder::default().process(process).build().unwrap();
        for kind in [Kind::Application, Kind::Program] {
            let error = format!("{:#}", apply(&spec, kind).unwrap_err());
            assert!(error.contains("the AppArmor profile \"no-such-profile\"; is it loaded"), "{error}");
        }
    }

    #[test]
    fn without_profile_and_label_nothing_is_asked_for() {
        apply(
            &SpecBuilder::default().process(ProcessBuilder::default().build().unwrap()).build().unwrap(),
            Kind::Application,
        )
        .unwrap();
    }
}
