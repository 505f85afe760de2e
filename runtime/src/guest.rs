//! One request through one fresh instance.
//!
//! The guest runs inside the connection's own task: polled here until it hands over a response, then by that response's body
//! ([`body::GuestBody`]), so that a client that reads slowly slows the guest, and nothing is spawned or handed between threads.

pub(crate) mod body;
mod state;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::options::{Limits, Timeouts};
use crate::variables::Variables;
use body::GuestBody;
pub(crate) use state::State;

/// Epochs that a guest computes before others get their turn; the first may be short.
const TURN: u64 = 2;

/// A component ready to be instantiated for each request.
#[derive(Clone)]
pub(crate) struct Guest {
    instance: ProxyPre<State>,
    variables: Arc<Variables>,
    permits: Arc<Semaphore>,
    memory: usize,
    timeout: Duration,
}

/// Why a guest gave no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// As many instances as there may be are at work.
    Busy,
    /// It took too long.
    Timeout(Duration),
    /// It trapped, exited, returned without a response, or could not be made.
    Failed(String),
}

/// A guest at work; its result is why it failed.
type Run = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What the guest hands over: a response, or the reason why there is none.
type Handover = Result<Response<HyperOutgoingBody>, ErrorCode>;

impl Guest {
    pub(crate) fn new(instance: ProxyPre<State>, variables: Variables, limits: &Limits, timeouts: &Timeouts) -> Self {
        Self {
            instance,
            variables: Arc::new(variables),
            permits: Arc::new(Semaphore::new(limits.instances.get() as usize)),
            memory: limits.memory,
            timeout: timeouts.request,
        }
    }

    /// Lets a fresh instance answer `request`. What it still does after its response belongs to the response's body, and, once
    /// that is gone, to `tasks`.
    pub(crate) async fn answer<B>(
        &self,
        request: Request<B>,
        scheme: Scheme,
        tasks: &TaskTracker,
    ) -> Result<Response<GuestBody>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| Failure::Busy)?;
        let (sender, receiver) = oneshot::channel();
        let guest = self.clone();
        let run: Run = Box::pin(async move {
            let _permit = permit;
            guest.run(request, scheme, sender).await
        });
        let handover = tokio::time::timeout(self.timeout, first(run, receiver));
        match handover.await {
            Err(_) => Err(Failure::Timeout(self.timeout)),
            Ok(Err(reason)) => Err(Failure::Failed(reason)),
            Ok(Ok((Err(code), _))) => Err(Failure::Failed(format!("it answered with the error {code:?}"))),
            Ok(Ok((Ok(response), run))) => {
                Ok(response.map(|body| GuestBody::new(body, run, self.timeout, tasks.clone())))
            }
        }
    }

    async fn run<B>(self, request: Request<B>, scheme: Scheme, sender: oneshot::Sender<Handover>) -> Result<(), String>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let mut store = Store::new(self.instance.engine(), State::new(self.variables, self.memory));
        store.limiter(State::memory_limit);
        store.set_epoch_deadline(TURN);
        // Tokio's own yield lets the thread look at its sockets and timers first; a plain wake-up would starve them.
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(TURN, Box::pin(tokio::task::yield_now()))));
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

/// Runs the guest until it hands over its response; gives back what is left of the run, if anything is.
async fn first(mut run: Run, mut receiver: oneshot::Receiver<Handover>) -> Result<(Handover, Option<Run>), String> {
    let (ended, handover) = poll_fn(|context| {
        let ended = match run.as_mut().poll(context) {
            Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        // The sender is gone once the run has ended, or its guest gave up its only way to respond.
        let handover = ready!(Pin::new(&mut receiver).poll(context));
        Poll::Ready(handover.map(|handover| (ended, handover)).map_err(|_| "it ended without a response".to_owned()))
    })
    .await?;
    Ok((handover, (!ended).then_some(run)))
}
