//! The rights of the container's process: what the OCI spec says, and no more.
//!
//! libcontainer takes a list of capabilities that is not in the spec as "leave it", the runtime specification as "none". The
//! difference is everything where a pod drops ALL: containerd then gives no lists. What libcontainer did is checked too.

mod status;

use anyhow::{Context, Result};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, Spec};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
};

use status::Status;

/// The five sets of a thread.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Sets {
    bounding: CapabilitySet,
    permitted: CapabilitySet,
    effective: CapabilitySet,
    inheritable: CapabilitySet,
    ambient: CapabilitySet,
}

/// Takes from this thread what `spec` does not give, then reads back what it has: capabilities, user, groups,
/// `no_new_privileges`, seccomp. To be called before there is a second thread: each has capabilities of its own.
///
/// # Errors
/// A right cannot be given up, or what is read back is more than `spec` gives.
pub fn reduce(spec: &Spec) -> Result<()> {
    let asked = Sets::asked(spec.process().as_ref().and_then(|process| process.capabilities().as_ref()))?;
    asked.apply().context("cannot give up capabilities")?;
    Status::read()?.check(spec, &asked)
}

impl Sets {
    fn asked(spec: Option<&LinuxCapabilities>) -> Result<Self> {
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

    fn apply(&self) -> Result<()> {
        clear_ambient_capability_set().context("ambient")?;
        let had = capabilities(None)?;
        // To change the bounding set is itself a matter of a capability that must be effective.
        set_capabilities(None, CapabilitySets { effective: had.permitted, ..had }).context("effective")?;
        for capability in all() {
            match capability_is_in_bounding_set(capability) {
                // Beyond the last one that this kernel has.
                Err(Errno::INVAL) => break,
                Ok(true) if !self.bounding.contains(capability) => {
                    remove_capability_from_bounding_set(capability).context("bounding")?;
                }
                other => drop(other.context("bounding")?),
            }
        }
        // A node that lacks a capability cannot give it.
        let permitted = self.permitted & had.permitted;
        let sets = CapabilitySets {
            permitted,
            effective: self.effective & permitted,
            inheritable: self.inheritable & (had.inheritable | had.permitted),
        };
        set_capabilities(None, sets).context("permitted, effective and inheritable")?;
        for capability in all().filter(|&capability| self.ambient.contains(capability)) {
            // Only what is permitted and inheritable can be; as with runc, the rest is not.
            let _ = configure_capability_in_ambient_set(capability, true);
        }
        Ok(())
    }
}

/// Each capability that could ever be, in the order of their numbers.
fn all() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

fn set(list: Option<&Capabilities>) -> Result<CapabilitySet> {
    let mut set = CapabilitySet::empty();
    for capability in list.into_iter().flatten() {
        let name = capability.to_string();
        set |= CapabilitySet::from_name(&name).with_context(|| format!("no capability CAP_{name}"))?;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{Capability, LinuxCapabilitiesBuilder};

    use super::*;

    #[test]
    fn a_list_that_is_not_there_is_empty() {
        let none = CapabilitySet::empty();
        let empty = Sets { bounding: none, permitted: none, effective: none, inheritable: none, ambient: none };
        assert_eq!(Sets::asked(None).unwrap(), empty);
        let spec = LinuxCapabilitiesBuilder::default()
            .bounding([Capability::NetBindService, Capability::Chown])
            .effective([Capability::NetBindService])
            .build()
            .unwrap();
        let asked = Sets::asked(Some(&spec)).unwrap();
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
