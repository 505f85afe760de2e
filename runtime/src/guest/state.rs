//! The host's state of one instance, and the messages for its failures.

use std::sync::Arc;

use http::Request;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Trap};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use super::Memory;
use super::output::Output;
use crate::budget::RESOURCES;
use crate::log::Stream;
use crate::variables::Variables;

/// The host's state of one instance.
pub(crate) struct State {
    pub(crate) variables: Arc<Variables>,
    memory: Memory,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: DenyOutgoing,
}

impl State {
    /// The guest gets the process's stdout and stderr, and nothing else of the system.
    pub(crate) fn new(variables: Arc<Variables>, memory: Memory) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            variables,
            memory,
            table,
            wasi: WasiCtx::builder().stdout(Output::new(Stream::Stdout)).stderr(Output::new(Stream::Stderr)).build(),
            http: WasiHttpCtx::new(),
            hooks: DenyOutgoing,
        }
    }

    pub(crate) fn memory_limit(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }

    /// Why the guest ended with `error`.
    pub(crate) fn explain(&self, error: &wasmtime::Error) -> String {
        let end = if let Some(exit) = error.downcast_ref::<I32Exit>() {
            format!("it exited with {}", exit.0)
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            format!("it trapped: {trap}")
        } else {
            format!("it failed: {error:#}")
        };
        match self.memory.refused() {
            Some(refused) => format!("{refused}; {end}"),
            None => end,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// The application may call no host: its manifest allows none.
struct DenyOutgoing;

/// The rest of an exchange, awaited for its errors.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for DenyOutgoing {
    fn send_request(
        &mut self,
        _request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _rest: Rest,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Rest), Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
