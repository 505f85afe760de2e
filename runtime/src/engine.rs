//! The engine, its limits, and the compiler.

use std::num::{NonZeroU32, NonZeroUsize};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
pub use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::budget::{LARGEST_INSTANCE, MOST_INSTANCES, OWN_MEMORY};
use crate::limits::Limits;

/// After this time a guest that computes lets the other connections of its thread run.
const EPOCH_INTERVAL: Duration = Duration::from_millis(10);

/// Up to this size, the memory of an instance that ended is reset by writing zeros, and not given back to the kernel: more than the
/// component starts with. To give it back costs page faults and TLB shootdowns, 45 % of the CPU where it was measured.
const KEEP_RESIDENT: usize = OWN_MEMORY;

/// Stack of a call, and the part of it that the guest may use: the host's own functions run on the rest.
const STACK: usize = 256 << 10;
const GUEST_STACK: usize = 128 << 10;

/// What wit-component makes of a module: the module, one or two that resolve cyclic imports, and one more with the adapter of
/// WASI preview 1.
const CORE_INSTANCES: u32 = 4;
const TABLES: u32 = 3;

/// Elements of a table: one for each function that is called through a pointer, so this is far more than the component needs.
const TABLE_ELEMENTS: usize = 10_000;

/// Makes an engine with room for as many instances as `limits` allows, or for the most that a budget has. It is only address space, and
/// it must not depend on the memory that there is: the node's engine compiles for that of a container.
///
/// # Errors
/// There is not enough address space.
pub fn new(limits: &Limits) -> Result<Engine> {
    let instances = limits.instances.map_or(MOST_INSTANCES, NonZeroU32::get);
    let memory = limits.memory.map_or(LARGEST_INSTANCE, NonZeroUsize::get);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(memory)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(TABLE_ELEMENTS * size_of::<usize>());
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).async_stack_size(STACK);
    let engine = Engine::new(&config).map_err(|error| {
        anyhow!("cannot reserve room for {instances} instances of {memory} bytes each: {error:#}; choose a lower limit")
    })?;
    advance_epochs(&engine);
    Ok(engine)
}

/// Makes an engine that only compiles, on one thread, and has no room for an instance. What it compiles is for every engine of
/// [`new`].
///
/// # Errors
/// This processor is not supported.
pub fn compiler() -> Result<Engine> {
    Engine::new(settings().parallel_compilation(false)).map_err(|error| anyhow!("cannot compile here: {error:#}"))
}

/// The settings that change the code.
fn settings() -> Config {
    let mut config = Config::new();
    config.max_wasm_stack(GUEST_STACK).epoch_interruption(true);
    config
}

/// Advances the epoch of `engine` until the engine is dropped.
fn advance_epochs(engine: &Engine) {
    let engine = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH_INTERVAL);
        }
    });
}

/// Compiles `wasm`, to run it.
///
/// # Errors
/// `wasm` is not a component.
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Component> {
    Component::from_binary(engine, wasm).map_err(|error| not_a_component(&error))
}

/// Compiles `wasm`, to keep the code.
///
/// # Errors
/// `wasm` is not a component.
pub fn precompile(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>> {
    engine.precompile_component(wasm).map_err(|error| not_a_component(&error))
}

fn not_a_component(error: &wasmtime::Error) -> anyhow::Error {
    anyhow!("not a WebAssembly component: {error:#}; build one for the target wasm32-wasip2")
}
