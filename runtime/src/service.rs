//! One request, one response: the runtime's own, the guest's, or the one for an error of the guest.

mod timed;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use crate::guest::body::GuestBody;
use crate::guest::{self, Guest};
use crate::local_response::{self, LocalResponse};
use crate::log;
use crate::options::Options;
use crate::patience::{Patience, Terms};
use crate::request::{self, Rejection};
use timed::TimedBody;

/// The body of any response.
type ResponseBody = Either<Full<Bytes>, GuestBody>;

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
}

impl Service {
    pub(crate) fn new(guest: Guest, options: &Options) -> Self {
        let terms = Terms { limit: options.timeouts.read, rate: options.limits.rate, pressure: guest.pressure };
        Self { guest: Arc::new(guest), terms, max_head: options.limits.head, tasks: TaskTracker::new() }
    }

    /// The same with tasks of its own.
    pub(crate) fn for_thread(&self) -> Self {
        Self { tasks: TaskTracker::new(), ..self.clone() }
    }

    /// The response to `request`, which `peer` sent; over TLS if `https`. `behind` counts while its body is behind.
    pub(crate) async fn respond(
        self,
        request: Request<Incoming>,
        https: bool,
        peer: SocketAddr,
        behind: Arc<AtomicU32>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let (mut parts, body) = request.into_parts();
        // As the client sent them, for the log.
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        if let Err(rejection) = request::prepare(&mut parts, https, peer) {
            return Ok(rejected(rejection).map(Either::Left));
        }
        if let Some(response) = local_response::well_known(parts.uri.path(), &self.guest.name, &self.guest.version) {
            return Ok(response.map(Either::Left));
        }
        let too_slow = Arc::new(AtomicBool::new(false));
        let body = TimedBody::new(body, Patience::new(&self.terms, behind), too_slow.clone());
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let outcome = self.guest.respond(Request::from_parts(parts, body), scheme, &self.tasks).await;
        // The client caused it, whatever the guest did with a body that broke off.
        if too_slow.load(Ordering::Relaxed) {
            let Terms { limit, rate, .. } = self.terms;
            let detail =
                format!("the request's body came too slowly: expected {rate} bytes/s, and no pause of {limit:?}");
            return Ok(local_response::problem(StatusCode::REQUEST_TIMEOUT, &detail).map(Either::Left));
        }
        Ok(match outcome {
            Ok(response) => response.map(Either::Right),
            Err(error) => failed(&method, &uri, &error).map(Either::Left),
        })
    }
}

/// The response to a request that does not reach the guest.
fn rejected(rejection: Rejection) -> LocalResponse {
    match rejection {
        Rejection::Malformed(detail) => local_response::problem(StatusCode::BAD_REQUEST, &detail),
        Rejection::NotUtf8 => local_response::empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The response to a request for which the guest gave none. The client gets the kind of error, the log its reason.
fn failed(method: &Method, uri: &Uri, error: &guest::Error) -> LocalResponse {
    let (response, reason) = match error {
        guest::Error::Busy => {
            (local_response::busy("all instances are at work; try again"), "all instances are at work".to_owned())
        }
        guest::Error::Timeout(limit) => {
            let detail = format!("the component gave no response within {limit:?}");
            (local_response::problem(StatusCode::GATEWAY_TIMEOUT, &detail), detail)
        }
        guest::Error::Trap(reason) => {
            (local_response::empty(StatusCode::INTERNAL_SERVER_ERROR), format!("the component failed: {reason}"))
        }
    };
    log::request_failed(method, uri, response.status(), &reason);
    response
}
