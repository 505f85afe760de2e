//! One request, one response: the runtime's own, the guest's, or the one for an error of the guest.

mod timed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use crate::failure::Failure;
use crate::guest::body::GuestBody;
use crate::guest::{self, Guest};
use crate::local_response::{self, LocalResponse};
use crate::log;
use crate::manifest::ROUTE;
use crate::observation::{ErrorType, Observation, Observers};
use crate::options::Options;
use crate::patience::{Patience, Terms};
use crate::refusal::Refusal;
use crate::request::{self, Rejection};
use timed::TimedBody;

/// The body of any response: one that is whole, or the guest's.
pub(crate) type ResponseBody = Either<Full<Bytes>, GuestBody>;

/// Responds to the requests of one thread.
#[derive(Clone)]
pub(crate) struct Service {
    guest: Arc<Guest>,
    /// How long a client may take.
    pub(crate) terms: Terms,
    /// The longest head of a request, bytes.
    pub(crate) max_head: usize,
    /// The thread's connections, and guests that run on after the body of their response: a drain waits for them.
    pub(crate) tasks: TaskTracker,
    /// Those who keep account of the thread's requests.
    pub(crate) observers: Observers,
}

impl Service {
    pub(crate) fn new(guest: Arc<Guest>, options: &Options, observers: Observers) -> Self {
        let terms = Terms { limit: options.timeouts.read, rate: options.limits.rate, pressure: guest.pressure };
        let (max_head, tasks) = (options.limits.head, TaskTracker::new());
        Self { guest, terms, max_head, tasks, observers }
    }

    /// The same with tasks and observers of its own.
    pub(crate) fn for_thread(&self) -> Self {
        Self { tasks: TaskTracker::new(), observers: self.observers.for_thread(), ..self.clone() }
    }

    /// The response to `request`, which `peer` sent; over TLS if `https`. `behind` counts while its body is behind. The account of the
    /// request goes on until the response has ended.
    pub(crate) async fn respond(
        self,
        request: Request<Incoming>,
        https: bool,
        peer: SocketAddr,
        behind: Arc<AtomicU32>,
    ) -> (Response<ResponseBody>, Observation) {
        let (mut parts, body) = request.into_parts();
        let mut observation = self.observers.begin(&mut parts, https, peer);
        let response = self.respond_observed(parts, body, https, peer, behind, &mut observation).await;
        (response, observation)
    }

    async fn respond_observed(
        self,
        mut parts: Parts,
        body: Incoming,
        https: bool,
        peer: SocketAddr,
        behind: Arc<AtomicU32>,
        observation: &mut Observation,
    ) -> Response<ResponseBody> {
        // As the client sent them, for the log.
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        if let Err(rejection) = request::prepare(&mut parts, https, peer) {
            return rejected(rejection, observation).map(Either::Left);
        }
        if let Some(response) = local_response::well_known(parts.uri.path(), &self.guest.name, &self.guest.version) {
            if response.status().is_success() {
                observation.route(local_response::WELL_KNOWN_ROUTE);
            }
            return response.map(Either::Left);
        }
        observation.route(ROUTE);
        let too_slow = Arc::new(AtomicBool::new(false));
        let body = TimedBody::new(body, Patience::new(&self.terms, behind), too_slow.clone());
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let outcome = self.guest.respond(Request::from_parts(parts, body), scheme, &self.tasks, self.observers).await;
        // The client caused it, whatever the guest did with a body that broke off.
        if too_slow.load(Ordering::Relaxed) {
            let Terms { limit, rate, .. } = self.terms;
            let detail =
                format!("the request's body came too slowly: expected {rate} bytes/s, and no pause of {limit:?}");
            observation.refused(Refusal::SlowBody);
            return local_response::problem(StatusCode::REQUEST_TIMEOUT, &detail).map(Either::Left);
        }
        match outcome {
            Ok(response) => response.map(Either::Right),
            Err(error) => failed(&method, &uri, error, observation).map(Either::Left),
        }
    }
}

/// The response to a request that does not reach the guest.
fn rejected(rejection: Rejection, observation: &mut Observation) -> LocalResponse {
    match rejection {
        Rejection::Malformed(detail) => {
            observation.refused(Refusal::Malformed);
            local_response::problem(StatusCode::BAD_REQUEST, &detail)
        }
        Rejection::NotUtf8 => {
            observation.refused(Refusal::NotUtf8);
            local_response::empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// The response to a request for which the guest gave none. The client gets the kind of error, the log its reason.
fn failed(method: &Method, uri: &Uri, error: guest::Error, observation: &mut Observation) -> LocalResponse {
    let (response, reason) = match error {
        guest::Error::Busy => {
            observation.refused(Refusal::Busy);
            (local_response::busy("all instances are at work; try again"), "all instances are at work".to_owned())
        }
        guest::Error::Timeout(limit) => {
            observation.fail(ErrorType::Timeout);
            let detail = format!("the component gave no response within {limit:?}");
            (local_response::problem(StatusCode::GATEWAY_TIMEOUT, &detail), detail)
        }
        guest::Error::Failed(Failure { kind, reason }) => {
            observation.fail(ErrorType::Guest(kind));
            (local_response::empty(StatusCode::INTERNAL_SERVER_ERROR), format!("the component failed: {reason}"))
        }
    };
    log::request_failed(method, uri, response.status(), &reason);
    response
}
