//! One request, one response: the runtime's own, the guest's, or the one that a failure of the guest means.

mod timed;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use crate::guest::body::GuestBody;
use crate::guest::{Failure, Guest};
use crate::local_response::{self, LocalResponse};
use crate::log;
use crate::request::{self, Rejection};
use timed::TimedBody;

/// The body of any response.
type ResponseBody = Either<Full<Bytes>, GuestBody>;

/// Responds to the requests of one thread.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) guest: Guest,
    pub(crate) name: Arc<str>,
    pub(crate) version: Arc<str>,
    /// How long a client may take for the next piece of a request's body.
    pub(crate) read_timeout: Duration,
    /// The thread's connections, and guests that outlive their response's body: what a drain waits for.
    pub(crate) tasks: TaskTracker,
}

impl Service {
    /// The response to `request`, which `peer` sent over TLS if `https`.
    pub(crate) async fn respond(
        self,
        request: Request<Incoming>,
        https: bool,
        peer: SocketAddr,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let (mut parts, body) = request.into_parts();
        // As the client sent them, for the log.
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        if let Err(rejection) = request::prepare(&mut parts, https, peer) {
            return Ok(rejected(rejection).map(Either::Left));
        }
        if let Some(response) = local_response::well_known(parts.uri.path(), &self.name, &self.version) {
            return Ok(response.map(Either::Left));
        }
        let too_slow = Arc::new(AtomicBool::new(false));
        let body = TimedBody::new(body, self.read_timeout, too_slow.clone());
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let outcome = self.guest.answer(Request::from_parts(parts, body), scheme, &self.tasks).await;
        // The client is at fault, whatever the guest made of a body that broke off.
        if too_slow.load(Ordering::Relaxed) {
            let detail = format!("the request's body stood still for {:?}", self.read_timeout);
            return Ok(local_response::problem(StatusCode::REQUEST_TIMEOUT, &detail).map(Either::Left));
        }
        Ok(match outcome {
            Ok(response) => response.map(Either::Right),
            Err(failure) => failed(&method, &uri, &failure).map(Either::Left),
        })
    }
}

/// The response to a request that no guest gets to see.
fn rejected(rejection: Rejection) -> LocalResponse {
    match rejection {
        Rejection::Malformed(detail) => local_response::problem(StatusCode::BAD_REQUEST, detail),
        Rejection::NotUtf8 => local_response::empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The client learns the kind of failure, the log its reason.
fn failed(method: &Method, uri: &Uri, failure: &Failure) -> LocalResponse {
    let (response, reason) = match failure {
        Failure::Busy => {
            (local_response::busy("all instances are at work; try again"), "all instances are at work".to_owned())
        }
        Failure::Timeout(limit) => {
            let detail = format!("the component gave no response within {limit:?}");
            (local_response::problem(StatusCode::GATEWAY_TIMEOUT, &detail), detail)
        }
        Failure::Failed(reason) => {
            (local_response::empty(StatusCode::INTERNAL_SERVER_ERROR), format!("the component failed: {reason}"))
        }
    };
    log::request_failed(method, uri, response.status(), &reason);
    response
}
