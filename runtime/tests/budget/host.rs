//! A host that runs one request after the other, and takes note of what each costs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use test_support::artifacts;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentType, Lift, Linker, Lower, ResourceTable, ResourceType};
use wasmtime::{Config, Engine, ResourceLimiter, Store, StoreContextMut};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::Cost;
use crate::calls::{count, counted};

/// More than any request needs.
const FUEL: u64 = 1 << 40;

/// A component that is ready for requests.
pub struct Host {
    engine: Engine,
    component: ProxyPre<State>,
    runtime: Runtime,
    /// The variables of `spin.toml`, with their defaults.
    defaults: BTreeMap<String, String>,
}

/// The state of one instance.
struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoOutgoing,
    variables: BTreeMap<String, String>,
    read: Vec<String>,
    growths: usize,
}

/// The key-value store, opened.
struct Bucket;

/// The component sends no requests.
struct NoOutgoing;

/// The rest of an exchange, awaited for its errors.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The error of a variable, as `fermyon:spin/variables` has it.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the guest may get them all, from other hosts")]
enum VariableError {
    #[component(name = "invalid-name")]
    InvalidName(String),
    #[component(name = "undefined")]
    Undefined(String),
    #[component(name = "provider")]
    Provider(String),
    #[component(name = "other")]
    Other(String),
}

impl Host {
    /// A host for the component in that file.
    pub fn new(wasm: &Path) -> Self {
        let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
        let component = Component::from_file(&engine, wasm).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
        let mut variables = linker.instance("fermyon:spin/variables@2.0.0").unwrap();
        variables.func_wrap("get", variable).unwrap();
        add_store(&mut linker, &component);
        let component = ProxyPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let manifest: toml::Table = toml::from_str(&fs::read_to_string(artifacts::manifest()).unwrap()).unwrap();
        let variables = manifest["variables"].as_table().unwrap();
        let default = |variable: &toml::Value| variable["default"].as_str().unwrap().to_owned();
        let defaults = variables.iter().map(|(name, variable)| (name.clone(), default(variable))).collect();
        Self { engine, component, runtime, defaults }
    }

    /// What a GET costs, with these variables set.
    pub fn cost(&self, target: &str, fields: &[(&str, &str)], set: &[(&str, &str)]) -> Cost {
        let mut variables = self.defaults.clone();
        variables.extend(set.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let mut request = http::Request::get(target).header("host", "localhost:3000");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let mut store = Store::new(&self.engine, State::new(variables));
        store.limiter(|state| state);
        store.set_fuel(FUEL).unwrap();
        let ((), calls) = counted(|| {
            self.runtime.block_on(async {
                let (sender, receiver) = oneshot::channel();
                let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).unwrap();
                let response = store.data_mut().http().new_response_outparam(sender).unwrap();
                let instance = self.component.instantiate_async(&mut store).await.unwrap();
                let handler = instance.wasi_http_incoming_handler();
                let read = async { receiver.await.unwrap().unwrap().collect().await.unwrap() };
                let (handled, _) = tokio::join!(handler.call_handle(&mut store, request, response), read);
                handled.unwrap();
            });
        });
        let instructions = FUEL - store.get_fuel().unwrap();
        let State { read, growths, .. } = store.into_data();
        Cost { variables: read, memory_growths: growths, instructions, calls }
    }
}

/// Adds the key-value store, as far as the component imports it. No call of it is expected: the metrics are off.
fn add_store(linker: &mut Linker<State>, component: &Component) {
    let engine = linker.engine().clone();
    for (interface, item) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(imported) = item.ty else { continue };
        if !interface.starts_with("wasi:keyvalue/") {
            continue;
        }
        let mut instance = linker.instance(interface).unwrap();
        for (name, item) in imported.exports(&engine) {
            match item.ty {
                ComponentItem::Resource(_) => {
                    instance.resource(name, ResourceType::host::<Bucket>(), |_, _| Ok(())).unwrap();
                }
                ComponentItem::ComponentFunc(_) => {
                    instance.func_new(name, |_, _, _, _| wasmtime::bail!("the metrics are off")).unwrap();
                }
                _ => {}
            }
        }
    }
}

fn variable(
    mut store: StoreContextMut<'_, State>,
    (name,): (String,),
) -> wasmtime::Result<(Result<String, VariableError>,)> {
    count("variables.get".to_owned());
    let state = store.data_mut();
    state.read.push(name.clone());
    Ok((state.variables.get(&name).cloned().ok_or(VariableError::Undefined(name)),))
}

impl State {
    fn new(variables: BTreeMap<String, String>) -> Self {
        let (table, wasi, http) = (ResourceTable::new(), WasiCtx::builder().build(), WasiHttpCtx::new());
        Self { table, wasi, http, hooks: NoOutgoing, variables, read: Vec::new(), growths: 0 }
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

impl WasiHttpHooks for NoOutgoing {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Rest,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Rest), Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // From nothing it grows when the instance is made.
        self.growths += usize::from(current > 0);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
