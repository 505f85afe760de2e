//! One request through one fresh instance.
//!
//! The guest runs inside the task of its connection. It is polled here until it gives a response, then by that response's body
//! (`body::GuestBody`): a client that reads slowly slows its guest down, and nothing moves from thread to thread.

pub(crate) mod body;
mod figures;
mod load;
mod memory;
mod output;
mod state;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use wasmtime::UpdateDeadline;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::budget::{Budget, INSTANCE_WAIT, WITHOUT_BODY};
use crate::failure::{Failure, FailureKind};
use crate::keyvalue::Store;
use crate::manifest::Manifest;
use crate::observation::Observers;
use crate::options::{Options, Timeouts};
use crate::patience::Pressure;
use crate::variables::Variables;
use body::GuestBody;
pub(crate) use figures::{Figures, Pool};
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
    store: Option<&'static Store>,
    instances: Share,
    /// Of these, how many requests with a body may have.
    with_body: Share,
    pub(crate) pressure: &'static Pressure,
    pub(crate) budget: Budget,
    timeouts: Timeouts,
    loaded: Loaded,
}

/// How the component was loaded.
#[derive(Debug, Clone, Copy)]
struct Loaded {
    took: Duration,
    /// Whether its compiled code was there.
    cached: bool,
}

/// Why a guest gave no response.
#[derive(Debug)]
pub(crate) enum Error {
    /// The limit of instances is reached.
    Busy,
    /// It took longer than this.
    Timeout(Duration),
    /// It trapped, exited, returned without a response, or could not be instantiated.
    Failed(Failure),
}

/// A guest that runs.
type Run = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// What the guest gives to the host: a response, or the code of an error.
type GuestResult = Result<Response<HyperOutgoingBody>, ErrorCode>;

impl Guest {
    fn new(
        instance: ProxyPre<State>,
        manifest: &Manifest,
        variables: Variables,
        options: &Options,
        loaded: Loaded,
    ) -> Self {
        let budget = options.budget.clone().within_files();
        let (instances, connections) = (budget.instances as usize, budget.connections as usize);
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            instance,
            variables: Arc::new(variables),
            store: manifest.uses_store.then(|| Store::new(options.limits.store)),
            instances: Share::new(instances, connections),
            with_body: Share::new(instances - instances / WITHOUT_BODY, connections.div_ceil(2)),
            pressure: Pressure::new(),
            budget,
            timeouts: options.timeouts,
            loaded,
        }
    }

    /// Calls a fresh instance with `request`. After the response has begun, its body drives the guest. When the body is dropped, the
    /// rest of the run moves to `tasks`.
    pub(crate) async fn respond<B>(
        self: Arc<Self>,
        request: Request<B>,
        scheme: Scheme,
        tasks: &TaskTracker,
        observers: Observers,
    ) -> Result<Response<GuestBody>, Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let with_body =
            if request.body().is_end_stream() { None } else { Some(self.with_body.get(self.pressure).await?) };
        let permits = (with_body, self.instances.get(self.pressure).await?);
        if observers.any() {
            self.instances.note_peak();
        }
        let (sender, receiver) = oneshot::channel();
        let timeouts = self.timeouts;
        let limit = timeouts.request;
        let run: Run = Box::pin(async move {
            let _permits = permits;
            self.run(request, scheme, sender, observers).await
        });
        let failure = match timeout(limit, run_until_response(run, receiver)).await {
            Err(_) => return Err(Error::Timeout(limit)),
            Ok(Ok((Ok(response), run))) => {
                return Ok(response.map(|body| GuestBody::new(body, run, timeouts, tasks.clone(), observers)));
            }
            Ok(Ok((Err(code), _))) => {
                Failure::new(FailureKind::ErrorResponse, format!("it responded with the error {code:?}"))
            }
            Ok(Err(failure)) => failure,
        };
        observers.failed(failure.kind);
        Err(Error::Failed(failure))
    }

    async fn run<B>(
        &self,
        request: Request<B>,
        scheme: Scheme,
        sender: oneshot::Sender<GuestResult>,
        observers: Observers,
    ) -> Result<(), Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let state = State::new(self.variables.clone(), self.store, Memory::new(&self.budget));
        let mut store = wasmtime::Store::new(self.instance.engine(), state);
        store.limiter(State::memory_limit);
        store.set_epoch_deadline(EPOCHS_PER_YIELD);
        // Tokio's own yield lets the thread look at its sockets and timers first; a plain wake-up would starve them.
        store.epoch_deadline_callback(|_| {
            Ok(UpdateDeadline::YieldCustom(EPOCHS_PER_YIELD, Box::pin(tokio::task::yield_now())))
        });
        let called = async {
            let request = store.data_mut().http().new_incoming_request(scheme, request)?;
            let response = store.data_mut().http().new_response_outparam(sender)?;
            let begun = observers.now();
            let proxy = self.instance.instantiate_async(&mut store).await?;
            observers.instantiated(begun);
            proxy.wasi_http_incoming_handler().call_handle(&mut store, request, response).await
        };
        let result: wasmtime::Result<()> = called.await;
        result.map_err(|error| store.data().explain(&error))
    }
}

/// A number of instances that may be at work at one time.
struct Share {
    free: Arc<Semaphore>,
    number: usize,
    /// Requests that may wait, at most as many as there are connections: each keeps its head in memory. With a short queue a well-behaved
    /// client would seldom find a place between those who ask a thousand times a second and hang up. Those with a body may fill half of
    /// it: a connection keeps its seat while its request waits, and others need seats, too.
    queue: Semaphore,
    queue_length: usize,
    /// The most that were at work at one time. It is seldom written, so all threads can keep it in their caches.
    peak: AtomicUsize,
}

impl Share {
    fn new(number: usize, queue_length: usize) -> Self {
        let (free, queue) = (Arc::new(Semaphore::new(number)), Semaphore::new(queue_length));
        Self { free, number, queue, queue_length, peak: AtomicUsize::new(0) }
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

    /// How many are at work.
    fn used(&self) -> usize {
        self.number - self.free.available_permits()
    }

    /// How many requests wait.
    fn waiting(&self) -> usize {
        self.queue_length - self.queue.available_permits()
    }

    fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Raises the peak if more are at work than ever before.
    fn note_peak(&self) {
        let used = self.used();
        if used > self.peak() {
            self.peak.fetch_max(used, Ordering::Relaxed);
        }
    }
}

/// Runs the guest until it has given its response. Returns also the rest of the run, if the run has not ended with it.
async fn run_until_response(
    mut run: Run,
    mut receiver: oneshot::Receiver<GuestResult>,
) -> Result<(GuestResult, Option<Run>), Failure> {
    let (ended, result) = poll_fn(|context| {
        let ended = match run.as_mut().poll(context) {
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        // The sender is gone if the run has ended, or if the guest has dropped its only way to respond.
        let result = ready!(Pin::new(&mut receiver).poll(context));
        let nothing = |_| Failure::new(FailureKind::NoResponse, "it ended without a response");
        Poll::Ready(result.map(|result| (ended, result)).map_err(nothing))
    })
    .await?;
    Ok((result, (!ended).then_some(run)))
}
