//! The privileges of the container's process: those of the OCI specification, and no more. libcontainer drops the others; the
//! result is read back, and one privilege too many is an error.

pub mod labels;
mod proc_status;

use anyhow::{Context, Result};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, Spec};
use rustix::thread::CapabilitySet;

use proc_status::ProcStatus;

/// The five capability sets of a thread.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Sets {
    bounding: CapabilitySet,
    permitted: CapabilitySet,
    effective: CapabilitySet,
    inheritable: CapabilitySet,
    ambient: CapabilitySet,
}

/// Reads back the privileges of this thread: capabilities, user, groups, `no_new_privileges`, seccomp. Call it before there is a
/// second thread, which would have capabilities of its own, and before a file of the image is opened.
///
/// # Errors
/// There are more than `spec` gives.
pub fn check(spec: &Spec) -> Result<()> {
    let asked = Sets::from_spec(spec.process().as_ref().and_then(|process| process.capabilities().as_ref()))?;
    ProcStatus::read()?.check(spec, &asked)
}

impl Sets {
    fn from_spec(spec: Option<&LinuxCapabilities>) -> Result<Self> {
        let set =
            |list: fn(&LinuxCapabilities) -> &Option<Capabilities>| set(spec.and_then(|spec| list(spec).as_ref()));
        Ok(Self {
            bounding: set(LinuxCapabilities::bounding)?,
            permitted: set(LinuxCapabilities::permitted)?,
            effective: set(LinuxCapabilities::effective)?,
            inheritable: set(LinuxCapabilities::inheritable)?,
            ambient: set(LinuxCapabilities::ambient)?,
        })
    }
}

fn set(list: Option<&Capabilities>) -> Result<CapabilitySet> {
    let mut set = CapabilitySet::empty();
    for capability in list.into_iter().flatten() {
        let name = capability.to_string();
        set |= CapabilitySet::from_name(&name)
            .with_context(|| format!("invalid capability \"CAP_{name}\": expected one of Linux, such as CAP_CHOWN"))?;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{Capability, LinuxCapabilitiesBuilder, ProcessBuilder, SpecBuilder, UserBuilder};
    use rustix::process::getuid;

    use super::*;

    #[test]
    fn the_privileges_of_this_thread_are_read() {
        let user = UserBuilder::default().uid(getuid().as_raw() + 1).build().unwrap();
        let process = ProcessBuilder::default().user(user).build().unwrap();
        check(&SpecBuilder::default().process(process).build().unwrap()).unwrap_err();
    }

    #[test]
    fn a_missing_list_is_an_empty_one() {
        let none = CapabilitySet::empty();
        let empty = Sets { bounding: none, permitted: none, effective: none, inheritable: none, ambient: none };
        assert_eq!(Sets::from_spec(None).unwrap(), empty);
        let spec = LinuxCapabilitiesBuilder::default()
            .bounding([Capability::NetBindService, Capability::Chown])
            .effective([Capability::NetBindService])
            .build()
            .unwrap();
        let asked = Sets::from_spec(Some(&spec)).unwrap();
        assert_eq!(asked.bounding, CapabilitySet::CHOWN | CapabilitySet::NET_BIND_SERVICE);
        assert_eq!(asked.effective, CapabilitySet::NET_BIND_SERVICE);
    }

    #[test]
    fn every_capability_of_the_specification_has_its_bit() {
        use Capability::*;
        let capabilities = [
            AuditControl,
            AuditRead,
            AuditWrite,
            BlockSuspend,
            Bpf,
            CheckpointRestore,
            Chown,
            DacOverride,
            DacReadSearch,
            Fowner,
            Fsetid,
            IpcLock,
            IpcOwner,
            Kill,
            Lease,
            LinuxImmutable,
            MacAdmin,
            MacOverride,
            Mknod,
            NetAdmin,
            NetBindService,
            NetBroadcast,
            NetRaw,
            Perfmon,
            Setgid,
            Setfcap,
            Setpcap,
            Setuid,
            SysAdmin,
            SysBoot,
            SysChroot,
            SysModule,
            SysNice,
            SysPacct,
            SysPtrace,
            SysRawio,
            SysResource,
            SysTime,
            SysTtyConfig,
            Syslog,
            WakeAlarm,
        ];
        let all = set(Some(&capabilities.into_iter().collect())).unwrap();
        // 41 of them, the last is CAP_CHECKPOINT_RESTORE (linux/capability.h).
        assert_eq!(all.bits(), (1 << 41) - 1);
    }
}
