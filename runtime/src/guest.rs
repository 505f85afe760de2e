//! One request through one fresh instance.
//!
//! The guest runs inside the task of its connection. It is polled here until it gives a response, then by that response's body
//! (`body::GuestBody`): a client that reads slowly slows its guest down, and nothing moves from thread to thread.

pub(crate) mod body;
mod load;
mod memory;
mod output;
mod state;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::budget::{Budget, INSTANCE_WAIT, WITHOUT_BODY};
use crate::manifest::Manifest;
use crate::options::Options;
use crate::patience::Pressure;
use crate::variables::Variables;
use body::GuestBody;
pub use load::load;
use memory::Memory;
pub(crate) use state::State;

/// Epochs that a guest computes before other connections get their turn. The first epoch may be a short one.
const EPOCHS_PER_YIELD: u64 = 2;

/// A component that is ready to be instantiated for each request.
pub struct Guest {
    /// The application's name and version.
    pub(crate) name: String,
    pub(crate) version: String,
    instance: ProxyPre<State>,
    variables: Arc<Variables>,
    instances: Share,
    /// Of these, how many requests with a body may have.
    with_body: Share,
    pub(crate) pressure: &'static Pressure,
    pub(crate) budget: Budget,
    timeout: Duration,
}

/// Why a guest gave no response.
#[derive(Debug)]
pub(crate) enum Error {
    /// The limit of instances is reached.
    Busy,
    /// It took longer than this.
    Timeout(Duration),
    /// It trapped, exited, returned without a response, or could not be instantiated.
    Trap(String),
}

/// A guest that runs. Its error is the reason why it failed.
type Run = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What the guest gives to the host: a response, or the code of an error.
type GuestResult = Result<Response<HyperOutgoingBody>, ErrorCode>;

impl Guest {
    fn new(instance: ProxyPre<State>, manifest: &Manifest, variables: Variables, options: &Options) -> Self {
        let instances = options.budget.instances as usize;
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            instance,
            variables: Arc::new(variables),
            instances: Share::new(instances),
            with_body: Share::new(instances - instances / WITHOUT_BODY),
            pressure: Pressure::new(),
            budget: options.budget.clone(),
            timeout: options.timeouts.request,
        }
    }

    /// Calls a fresh instance with `request`. After the response has begun, its body drives the guest. When the body is dropped, the
    /// rest of the run moves to `tasks`.
    pub(crate) async fn respond<B>(
        self: Arc<Self>,
        request: Request<B>,
        scheme: Scheme,
        tasks: &TaskTracker,
    ) -> Result<Response<GuestBody>, Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let with_body =
            if request.body().is_end_stream() { None } else { Some(self.with_body.get(self.pressure).await?) };
        let permits = (with_body, self.instances.get(self.pressure).await?);
        let (sender, receiver) = oneshot::channel();
        let limit = self.timeout;
        let run: Run = Box::pin(async move {
            let _permits = permits;
            self.run(request, scheme, sender).await
        });
        match timeout(limit, run_until_response(run, receiver)).await {
            Err(_) => Err(Error::Timeout(limit)),
            Ok(Err(reason)) => Err(Error::Trap(reason)),
            Ok(Ok((Err(code), _))) => Err(Error::Trap(format!("it responded with the error {code:?}"))),
            Ok(Ok((Ok(response), run))) => Ok(response.map(|body| GuestBody::new(body, run, limit, tasks.clone()))),
        }
    }

    async fn run<B>(
        &self,
        request: Request<B>,
        scheme: Scheme,
        sender: oneshot::Sender<GuestResult>,
    ) -> Result<(), String>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let mut store =
            Store::new(self.instance.engine(), State::new(self.variables.clone(), Memory::new(&self.budget)));
        store.limiter(State::memory_limit);
        store.set_epoch_deadline(EPOCHS_PER_YIELD);
        // Tokio's own yield lets the thread look at its sockets and timers first; a plain wake-up would starve them.
        store.epoch_deadline_callback(|_| {
            Ok(UpdateDeadline::YieldCustom(EPOCHS_PER_YIELD, Box::pin(tokio::task::yield_now())))
        });
        let called = async {
            let request = store.data_mut().http().new_incoming_request(scheme, request)?;
            let response = store.data_mut().http().new_response_outparam(sender)?;
            let proxy = self.instance.instantiate_async(&mut store).await?;
            proxy.wasi_http_incoming_handler().call_handle(&mut store, request, response).await
        };
        let result: wasmtime::Result<()> = called.await;
        result.map_err(|error| store.data().explain(&error))
    }
}

/// A number of instances that may be at work at one time.
struct Share {
    free: Arc<Semaphore>,
    /// Requests that may wait, as many as there are instances: each keeps its head in memory.
    queue: Semaphore,
}

impl Share {
    fn new(instances: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(instances)), queue: Semaphore::new(instances) }
    }

    /// Takes one of the instances. If all are at work, waits up to [`INSTANCE_WAIT`], and slow clients lose theirs meanwhile.
    async fn get(&self, pressure: &Pressure) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _queued = self.queue.try_acquire().map_err(|_| Error::Busy)?;
        let _waiting = pressure.wait();
        let permit = timeout(INSTANCE_WAIT, self.free.clone().acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or(Error::Busy)
    }
}

/// Runs the guest until it has given its response. Returns also the rest of the run, if the run has not ended with it.
async fn run_until_response(
    mut run: Run,
    mut receiver: oneshot::Receiver<GuestResult>,
) -> Result<(GuestResult, Option<Run>), String> {
    let (ended, result) = poll_fn(|context| {
        let ended = match run.as_mut().poll(context) {
            Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        // The sender is gone if the run has ended, or if the guest has dropped its only way to respond.
        let result = ready!(Pin::new(&mut receiver).poll(context));
        Poll::Ready(result.map(|result| (ended, result)).map_err(|_| "it ended without a response".to_owned()))
    })
    .await?;
    Ok((result, (!ended).then_some(run)))
}
