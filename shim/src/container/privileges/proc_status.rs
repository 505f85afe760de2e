//! `/proc/self/status`: the privileges that this thread has, as the kernel shows them.

use std::fs::File;
use std::io;

use anyhow::{Context, Result, ensure};
use oci_spec::runtime::Spec;
use rustix::fs::OFlags;
use rustix::thread::CapabilitySet;

use super::Sets;
use crate::descriptors::open_proc;

/// The value of `Seccomp:` if there is a filter (proc(5)).
const SECCOMP_FILTER: u32 = 2;

/// The privileges of a thread.
#[derive(Debug)]
pub struct ProcStatus {
    sets: Sets,
    /// The real, effective, saved and file system user.
    users: Vec<u32>,
    groups: Vec<u32>,
    supplementary_groups: Vec<u32>,
    no_new_privileges: bool,
    seccomp: u32,
}

impl ProcStatus {
    /// Those of this thread, which is the first one of the process.
    pub fn read() -> Result<Self> {
        const PATH: &str = "/proc/self/status";
        let status = io::read_to_string(File::from(open_proc(PATH, OFlags::RDONLY)?));
        Self::parse(&status.with_context(|| format!("cannot read {PATH}"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.with_context(|| format!("/proc/self/status has no line `{name}`"))
        };
        let numbers = |name: &str| -> Result<Vec<u32>> {
            let numbers = field(name)?.split_whitespace().map(str::parse).collect::<Result<_, _>>();
            numbers.with_context(|| format!("/proc/self/status: `{name}`"))
        };
        let number = |name: &str| numbers(name)?.first().copied().with_context(|| format!("`{name}` is empty"));
        let set = |name: &str| -> Result<CapabilitySet> {
            let bits = u64::from_str_radix(field(name)?.trim(), 16);
            bits.map(CapabilitySet::from_bits_retain).with_context(|| format!("/proc/self/status: `{name}`"))
        };
        Ok(Self {
            sets: Sets {
                bounding: set("CapBnd")?,
                permitted: set("CapPrm")?,
                effective: set("CapEff")?,
                inheritable: set("CapInh")?,
                ambient: set("CapAmb")?,
            },
            users: numbers("Uid")?,
            groups: numbers("Gid")?,
            supplementary_groups: numbers("Groups")?,
            no_new_privileges: number("NoNewPrivs")? == 1,
            seccomp: number("Seccomp")?,
        })
    }

    /// # Errors
    /// These are more privileges than `spec` gives. `asked` are the capability sets of `spec`.
    pub fn check(&self, spec: &Spec, asked: &Sets) -> Result<()> {
        for (name, found, asked) in [
            ("CapBnd", self.sets.bounding, asked.bounding),
            ("CapPrm", self.sets.permitted, asked.permitted),
            ("CapEff", self.sets.effective, asked.effective),
            ("CapInh", self.sets.inheritable, asked.inheritable),
            ("CapAmb", self.sets.ambient, asked.ambient),
        ] {
            let (found, asked) = (found.bits(), asked.bits());
            ensure!(found & !asked == 0, "the process has {name} {found:016x}, the container asked for {asked:016x}");
        }
        let process = spec.process().as_ref().context("the container has no process")?;
        let user = process.user();
        ensure!(
            self.users.iter().all(|&id| id == user.uid()),
            "the process has users {:?}, the container asked for {}",
            self.users,
            user.uid()
        );
        ensure!(
            self.groups.iter().all(|&id| id == user.gid()),
            "the process has groups {:?}, the container asked for {}",
            self.groups,
            user.gid()
        );
        let asked = user.additional_gids().as_deref().unwrap_or_default();
        let foreign = self.supplementary_groups.iter().find(|id| **id != user.gid() && !asked.contains(id));
        ensure!(foreign.is_none(), "the process is in group {foreign:?}, the container asked for {asked:?}");
        ensure!(
            self.no_new_privileges || process.no_new_privileges() != Some(true),
            "the process does not have no_new_privs, the container asked for it"
        );
        let filtered = spec.linux().as_ref().is_some_and(|linux| linux.seccomp().is_some());
        ensure!(
            self.seccomp == SECCOMP_FILTER || !filtered,
            "the process has seccomp mode {}, the container asked for a filter, which is {SECCOMP_FILTER}",
            self.seccomp
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{
        LinuxBuilder, LinuxSeccompAction, LinuxSeccompBuilder, ProcessBuilder, SpecBuilder, UserBuilder,
    };

    use super::*;

    const RESTRICTED: &str = "Name:\thttpserver\nUid:\t65532\t65532\t65532\t65532\nGid:\t65532\t65532\t65532\t65532\nGroups:\t65532 \n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n\
        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    fn restricted() -> Spec {
        let user = UserBuilder::default().uid(65532u32).gid(65532u32).build().unwrap();
        let process = ProcessBuilder::default().user(user).no_new_privileges(true).build().unwrap();
        let seccomp = LinuxSeccompBuilder::default().default_action(LinuxSeccompAction::ScmpActErrno).build().unwrap();
        let linux = LinuxBuilder::default().seccomp(seccomp).build().unwrap();
        SpecBuilder::default().process(process).linux(linux).build().unwrap()
    }

    fn check(status: &str) -> Result<()> {
        ProcStatus::parse(status)?.check(&restricted(), &Sets::from_spec(None)?)
    }

    #[test]
    fn the_privileges_of_the_specification_are_accepted() {
        check(RESTRICTED).unwrap();
    }

    #[test]
    fn one_privilege_too_many_is_named() {
        for (right, more, expected) in [
            ("CapEff:\t0000000000000000", "CapEff:\t0000000000000400", "CapEff 0000000000000400"),
            ("CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff", "CapBnd 000001ffffffffff"),
            ("CapAmb:\t0000000000000000", "CapAmb:\t0000000000000001", "CapAmb"),
            ("Uid:\t65532\t65532\t65532", "Uid:\t65532\t65532\t0", "users [65532, 65532, 0, 65532]"),
            ("Gid:\t65532", "Gid:\t0", "groups [0,"),
            ("Groups:\t65532", "Groups:\t0", "group Some(0)"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "no_new_privs"),
            ("Seccomp:\t2", "Seccomp:\t0", "seccomp mode 0"),
            ("CapInh:\t0000000000000000\n", "", "no line `CapInh`"),
        ] {
            let status = RESTRICTED.replacen(right, more, 1);
            assert_ne!(status, RESTRICTED, "{right}");
            let error = format!("{:#}", check(&status).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
