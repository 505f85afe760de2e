//! How much a server takes on at one time: the numbers, their reasons, and how they follow from the memory that there is.
//!
//! Everything here is a promise to the pod: whatever clients do, the server stays below its memory limit. `tests/hostile/siege.rs` tries.
//! Sizes were measured with `/proc/PID/smaps_rollup`, as the difference that 500 requests or 2000 connections make.

pub(crate) mod files;
pub mod memory;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::limits::Limits;

/// What the process takes without a client: code, compiled component, threads and allocator. An idle server has 10 MiB resident, and
/// compiling takes 30 MiB.
const BASE: u64 = 40 << 20;

/// What an instance takes at the most, without memory that it asks for later: 256 KiB of its linear memory, which stay resident after it
/// ended, and its stack, store and request. Measured: 85 KiB for a small request to this repository's component, 146 KiB with a head
/// of 16 KiB.
const INSTANCE: u64 = 384 << 10;

/// What a connection takes at the most, beside the instance of its request: its buffers, and what the kernel counts for its socket.
/// Measured, without the kernel's part: 12 KiB if it is idle, 26 KiB with HTTP/2, 34 KiB with a head of 15 KiB that does not end.
const CONNECTION: u64 = 48 << 10;

/// The most instances by default, as in Spin.
pub(crate) const MOST_INSTANCES: u32 = 1000;

/// The most connections by default: what a busy ingress and some thousand browsers keep open.
const MOST_CONNECTIONS: u32 = 10_000;

/// The largest linear memory of one instance by default: far more than a small service takes.
pub(crate) const LARGEST_INSTANCE: usize = 64 << 20;

/// Files that are not connections: listeners, epoll, pipes, the cache; 20 were counted.
pub(crate) const OTHER_FILES: u64 = 64;

/// Up to this size, the linear memory of an instance is a part of [`INSTANCE`]; what is above comes from [`Growth`].
pub(crate) const OWN_MEMORY: usize = 256 << 10;

/// Entries of one instance's table of resources: fields, streams and bodies. The component has 20 at the most; each costs the host
/// up to some KiB outside of the linear memory.
pub(crate) const RESOURCES: usize = 1000;

/// How long a request waits for an instance before it is refused. Below the 2 s that a kubelet's probe of `manifests/` waits.
pub(crate) const INSTANCE_WAIT: Duration = Duration::from_millis(1800);

/// One of how many instances is only for requests without a body. A client that sends or takes a large body slowly can hold an instance,
/// but not the ones that probes and pages need.
pub(crate) const WITHOUT_BODY: usize = 4;

/// What a server may take on.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Requests that run at one time.
    pub(crate) instances: u32,
    /// Linear memory of one instance, bytes.
    pub(crate) memory: usize,
    /// Connections that are open at one time.
    pub(crate) connections: u32,
    /// Memory that instances have beyond their first [`OWN_MEMORY`].
    pub(crate) growth: &'static Growth,
    /// What the operator should know.
    warnings: Vec<String>,
}

impl Budget {
    /// Divides `available` bytes of memory: half of what the process itself does not need is for instances, a quarter for connections, a
    /// quarter for the key-value store and for instances that grow. What `limits` sets is taken as it is, with a warning if it may not
    /// fit: the sizes above are what things take at the most.
    ///
    /// # Errors
    /// Not even one instance fits with the memory that `limits` sets: a request that takes it would end the server.
    pub fn new(limits: &Limits, available: u64) -> Result<Self> {
        // One instance may always have what was asked for, so that a setting has its effect.
        let wanted = limits.memory.map_or(0, NonZeroUsize::get);
        ensure!(
            wanted as u64 <= available,
            "invalid --max-instance-memory (SPIN_MAX_INSTANCE_MEMORY) \"{wanted}\": expected bytes below the memory limit of \
             {available}, such as {}; or raise the memory limit",
            available / 4
        );
        let free = available.saturating_sub(BASE);
        let affordable =
            |share: u64, each: u64, most: u32| u32::try_from(share / each).map_or(most, |n| n.clamp(1, most));
        let instances =
            limits.instances.map_or_else(|| affordable(free / 2, INSTANCE, MOST_INSTANCES), NonZeroU32::get);
        let connections =
            limits.connections.map_or_else(|| affordable(free / 4, CONNECTION, MOST_CONNECTIONS), NonZeroU32::get);
        let fixed = u64::from(instances) * INSTANCE + u64::from(connections) * CONNECTION;
        let left = usize::try_from(free.saturating_sub(fixed)).unwrap_or(usize::MAX).saturating_sub(limits.store);
        let growth = left.max(wanted).max(OWN_MEMORY);
        let memory = limits.memory.map_or_else(|| LARGEST_INSTANCE.min(growth), NonZeroUsize::get);
        let mut warnings = Vec::new();
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        if BASE + fixed > available {
            warnings.push(format!(
                "{instances} instances and {connections} connections may take {} MiB together, the memory limit is {} MiB; \
                 lower --max-instances (SPIN_MAX_INSTANCE_COUNT) or --max-connections, or raise the memory limit",
                mib(BASE + fixed),
                mib(available)
            ));
        }
        if BASE + wanted as u64 > available {
            warnings.push(format!(
                "one instance may take {} MiB and the server itself {} MiB, the memory limit is {} MiB; lower \
                 --max-instance-memory (SPIN_MAX_INSTANCE_MEMORY), or raise the memory limit",
                mib(wanted as u64),
                mib(BASE),
                mib(available)
            ));
        }
        // One for the process. A counter of references would be one more that all threads change for each request.
        let growth = Box::leak(Box::new(Growth(AtomicUsize::new(growth))));
        Ok(Self { instances, memory, connections, growth, warnings })
    }

    /// The same with no more connections than the limit of open files allows, after it was raised as far as it can be.
    pub(crate) fn within_files(self) -> Self {
        Self { connections: files::room(self.connections), ..self }
    }

    /// What does not fit into the memory that there is: a line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The memory that is left for instances which grow beyond [`OWN_MEMORY`], bytes.
#[derive(Debug)]
pub(crate) struct Growth(AtomicUsize);

impl Growth {
    /// Takes that many bytes, if they are left.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// Gives bytes back that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn by_default(available: u64) -> Budget {
        Budget::new(&Limits::DEFAULT, available).unwrap()
    }

    #[test]
    fn a_budget_fits_into_the_memory_it_was_made_for() {
        for mib in [64, 96, 128, 256, 512, 1024, 65_536] {
            let budget = by_default(mib * MIB);
            let fixed = u64::from(budget.instances) * INSTANCE + u64::from(budget.connections) * CONNECTION;
            let rest = budget.growth.0.load(Ordering::Relaxed) + Limits::DEFAULT.store;
            assert!(BASE + fixed + rest as u64 <= mib * MIB, "{mib}: {budget:?}");
            assert!(budget.warnings().is_empty(), "{:?}", budget.warnings());
        }
    }

    #[test]
    fn much_memory_gives_spins_defaults() {
        let budget = by_default(16 << 30);
        assert_eq!((budget.instances, budget.memory, budget.connections), (1000, 64 << 20, 10_000));
    }

    #[test]
    fn the_pod_of_the_manifests_serves_hundreds_at_once() {
        let budget = by_default(256 * MIB);
        assert_eq!((budget.instances, budget.connections), (288, 1152));
        assert!(budget.memory >= 48 << 20, "{budget:?}");
    }

    #[test]
    fn what_was_set_is_taken_with_a_warning_if_it_may_not_fit() {
        let limits = Limits {
            instances: NonZeroU32::new(1000),
            memory: NonZeroUsize::new(250 << 20),
            connections: NonZeroU32::new(5),
            ..Limits::DEFAULT
        };
        let budget = Budget::new(&limits, 256 * MIB).unwrap();
        assert_eq!((budget.instances, budget.memory, budget.connections), (1000, 250 << 20, 5));
        assert!(budget.growth.take(250 << 20), "one instance may have it");
        let [both, one] = budget.warnings() else { panic!("{:?}", budget.warnings()) };
        assert!(
            both.starts_with("1000 instances and 5 connections may take 416 MiB together, the memory limit is 256 MiB")
        );
        assert!(
            one.starts_with(
                "one instance may take 250 MiB and the server itself 40 MiB, the memory limit is 256 MiB; lower"
            ),
            "{one}"
        );
    }

    #[test]
    fn an_instance_that_cannot_fit_is_refused() {
        let with = |memory| Budget::new(&Limits { memory: NonZeroUsize::new(memory), ..Limits::DEFAULT }, 256 * MIB);
        assert_eq!(with(256 << 20).unwrap().memory, 256 << 20);
        let error = with((256 << 20) + 1).unwrap_err().to_string();
        let expected = "invalid --max-instance-memory (SPIN_MAX_INSTANCE_MEMORY) \"268435457\": expected bytes below the memory \
            limit of 268435456, such as 67108864; or raise the memory limit";
        assert_eq!(error, expected);
    }

    #[test]
    fn growth_is_taken_as_long_as_it_lasts() {
        let growth = Growth(AtomicUsize::new(100));
        assert!(growth.take(60) && !growth.take(41) && growth.take(40) && !growth.take(1));
        growth.give_back(40);
        assert!(growth.take(40));
    }
}
