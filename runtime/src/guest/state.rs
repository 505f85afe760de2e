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
use crate::failure::{Failure, FailureKind};
use crate::keyvalue::Store;
use crate::log::Stream;
use crate::variables::Variables;

/// The host's state of one instance.
pub(crate) struct State {
    pub(crate) variables: Arc<Variables>,
    /// The key-value store, if the application may use it.
    pub(crate) store: Option<&'static Store>,
    memory: Memory,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: DenyOutgoing,
}

impl State {
    /// The guest gets the process's stdout and stderr, and nothing else of the system.
    pub(crate) fn new(variables: Arc<Variables>, store: Option<&'static Store>, memory: Memory) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            variables,
            store,
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
    pub(crate) fn explain(&self, error: &wasmtime::Error) -> Failure {
        let (kind, end) = if let Some(exit) = error.downcast_ref::<I32Exit>() {
            (FailureKind::Exit, format!("it exited with {}", exit.0))
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            (FailureKind::from(*trap), format!("it trapped: {trap}"))
        } else {
            (FailureKind::Error, format!("it failed: {error:#}"))
        };
        match self.memory.refused() {
            Some(refused) => Failure::new(FailureKind::MemoryLimit, format!("{refused}; {end}")),
            None => Failure::new(kind, end),
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
