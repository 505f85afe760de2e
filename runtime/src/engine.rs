//! The engine and what it is tuned to, the interfaces a guest may import, and the component made ready to be called.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::cache::Code;
use crate::guest::State;
use crate::manifest::{Manifest, check_source};
use crate::options::Limits;

/// How long a guest computes before other connections of its thread get their turn.
const EPOCH: Duration = Duration::from_millis(10);

/// Memory of a slot that is reset by writing zeros instead of giving it back to the kernel: more than the component starts with.
/// Giving back costs page faults and TLB shootdowns, 45 % of the CPU where it was measured.
const KEEP_RESIDENT: usize = 256 << 10;

/// Stack of a call, and how much of it the guest may use: the host's own functions run on the rest.
const STACK: usize = 256 << 10;
const GUEST_STACK: usize = 128 << 10;

/// A component as wit-component builds it is its module, one or two that resolve cyclic imports, and with the preview-1 adapter one more.
const CORE_INSTANCES: u32 = 4;
const TABLES: u32 = 3;

/// Elements a table may have: one for each function that is called through a pointer, so far more than the component needs.
const TABLE_ELEMENTS: usize = 10_000;

/// Reads, compiles and links the component of `manifest`.
///
/// # Errors
/// No such file, no component, an import that this runtime does not have, or no `wasi:http/incoming-handler` export.
pub(crate) fn load(manifest: &Manifest, limits: &Limits, code: Code<'_>) -> Result<ProxyPre<State>> {
    check_source(manifest)?;
    let engine = engine(limits)?;
    let source = manifest.source.display();
    let wasm = std::fs::read(&manifest.source).with_context(|| format!("cannot read the component `{source}`"))?;
    let component = code.load(&engine, &wasm);
    link(&engine, &component.with_context(|| format!("cannot load the component `{source}`"))?)
        .with_context(|| format!("cannot run the component `{}` (`{source}`)", manifest.component))
}

/// An engine with room for as many guests as `limits` says.
///
/// # Errors
/// There is no such room.
pub(crate) fn engine(limits: &Limits) -> Result<Engine> {
    let instances = limits.instances.get();
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(limits.memory)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(TABLE_ELEMENTS * size_of::<usize>());
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .async_stack_size(STACK)
        .max_wasm_stack(GUEST_STACK)
        .epoch_interruption(true);
    let engine = Engine::new(&config).map_err(|error| {
        anyhow!(
            "cannot reserve room for {instances} instances of {} bytes each: {error:#}; ask for less",
            limits.memory
        )
    })?;
    tick(&engine);
    Ok(engine)
}

/// Advances the engine's epoch for as long as there is an engine.
fn tick(engine: &Engine) {
    let engine = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    });
}

/// Resolves the component's imports, once: what is left for each request is to make an instance.
fn link(engine: &Engine, component: &Component) -> Result<ProxyPre<State>> {
    let linker = linker(engine).map_err(|error| anyhow!("{error:#}"))?;
    let instance = linker
        .instantiate_pre(component)
        .map_err(|error| anyhow!("{error:#}; this runtime has wasi:http, wasi:cli, clocks, random, io and Spin's variables, real Spin has more"))?;
    ProxyPre::new(instance).map_err(|error| anyhow!("{error:#}; expected the export wasi:http/incoming-handler@0.2"))
}

/// The interfaces of a Spin HTTP component, short of sockets and of those Spin adds; outgoing requests link, and are denied.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    use wasmtime_wasi::cli::{WasiCli, WasiCliView};
    use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
    use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
    use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

    let mut linker = Linker::new(engine);
    let l = &mut linker;
    wasmtime_wasi_http::p2::add_to_linker_async(l)?;
    // What std and the preview-1 adapter import beyond the proxy world. A stub: there are no files, arguments or variables.
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, State::random)?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, State::random)?;
    crate::spin::variables::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    Ok(linker)
}
