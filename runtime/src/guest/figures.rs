//! What a guest knows of its instances at one time, for metrics.

use std::time::Duration;

use super::Guest;

/// The instances of a guest, and how it came to be.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Instances at work.
    pub(crate) instances: usize,
    /// How many there may be.
    pub(crate) limit: usize,
    /// The most that were at work at one time.
    pub(crate) peak: usize,
    /// Requests that wait for one.
    pub(crate) waiting: usize,
    /// How long it took to compile the component, or to load its compiled code.
    pub(crate) load: Duration,
    /// Whether its compiled code was there.
    pub(crate) cached: bool,
    /// wasmtime's pool.
    pub(crate) pool: Option<Pool>,
}

/// The slots of wasmtime's pool. Warm ones are free, and keep their pages.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) core_instances: u64,
    pub(crate) component_instances: u64,
    pub(crate) memories: usize,
    pub(crate) tables: usize,
    pub(crate) stacks: usize,
    pub(crate) warm_memories: u32,
    pub(crate) warm_tables: u32,
    pub(crate) warm_stacks: u32,
    /// Bytes.
    pub(crate) warm_memory: usize,
    /// Bytes.
    pub(crate) warm_table: usize,
}

impl Guest {
    /// Looks them up.
    pub(crate) fn figures(&self) -> Figures {
        let pool = self.instance.engine().pooling_allocator_metrics().map(|pool| Pool {
            core_instances: pool.core_instances(),
            component_instances: pool.component_instances(),
            memories: pool.memories(),
            tables: pool.tables(),
            stacks: pool.stacks(),
            warm_memories: pool.unused_warm_memories(),
            warm_tables: pool.unused_warm_tables(),
            warm_stacks: pool.unused_warm_stacks(),
            warm_memory: pool.unused_memory_bytes_resident(),
            warm_table: pool.unused_table_bytes_resident(),
        });
        Figures {
            instances: self.instances.used(),
            limit: self.budget.instances as usize,
            peak: self.instances.peak(),
            waiting: self.instances.waiting() + self.with_body.waiting(),
            load: self.loaded.took,
            cached: self.loaded.cached,
            pool,
        }
    }
}
