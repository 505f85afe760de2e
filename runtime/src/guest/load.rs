//! From a component's bytes to a guest: compiled code, linked with the interfaces that a guest may import.

use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::{Guest, Loaded, State};
use crate::cache::Entry;
use crate::engine::{self, Engine};
use crate::keyvalue;
use crate::log;
use crate::manifest::Manifest;
use crate::options::Options;
use crate::variables::Variables;

/// Makes a guest of `wasm`, the component of `manifest`. Its compiled code is that of `entry`, if `entry` is for this component and
/// this engine; otherwise `wasm` is compiled.
///
/// # Errors
/// `wasm` is not a component, imports something that this runtime does not have, or does not export `wasi:http/incoming-handler`.
pub fn load(
    engine: &Engine,
    manifest: &Manifest,
    wasm: &[u8],
    entry: Option<&Entry>,
    variables: Variables,
    options: &Options,
) -> Result<Guest> {
    let source = manifest.source.display();
    let begun = Instant::now();
    let (component, cached) =
        component(engine, wasm, entry).with_context(|| format!("cannot load the component `{source}`"))?;
    let loaded = Loaded { took: begun.elapsed(), cached };
    let instance = link(engine, &component)
        .with_context(|| format!("cannot run the component `{}` (`{source}`)", manifest.component))?;
    Ok(Guest::new(instance, manifest, variables, options, loaded))
}

/// The component, and whether its compiled code was there.
fn component(engine: &Engine, wasm: &[u8], entry: Option<&Entry>) -> Result<(Component, bool)> {
    match entry.map(|entry| entry.component(engine, wasm)) {
        Some(Ok(component)) => return Ok((component, true)),
        Some(Err(error)) => log::line(format_args!("compiling, not using the entry of the cache: {error:#}")),
        None => {}
    }
    Ok((engine::compile(engine, wasm)?, false))
}

/// Resolves the component's imports once, so that a request only has to make an instance.
fn link(engine: &Engine, component: &Component) -> Result<ProxyPre<State>> {
    let linker = linker(engine).map_err(|error| anyhow!("{error:#}"))?;
    let instance = linker
        .instantiate_pre(component)
        .map_err(|error| anyhow!("{error:#}; this runtime has wasi:http, wasi:cli, wasi:keyvalue, clocks, random, io and Spin's variables, real Spin has more"))?;
    ProxyPre::new(instance).map_err(|error| anyhow!("{error:#}; expected the export wasi:http/incoming-handler@0.2"))
}

/// The interfaces of a Spin HTTP component, except sockets and Spin's own; outgoing requests link, and are denied.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    use wasmtime_wasi::cli::{WasiCli, WasiCliView};
    use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
    use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
    use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

    let mut linker = Linker::new(engine);
    let l = &mut linker;
    wasmtime_wasi_http::p2::add_to_linker_async(l)?;
    // What std and the adapter of WASI preview 1 import in addition. They find no files, arguments or environment variables.
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
    keyvalue::stores::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    keyvalue::atomics::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    keyvalue::batch::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    Ok(linker)
}
