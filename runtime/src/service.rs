//! One request, one answer: by the runtime itself, by the guest, or by what the guest's failure means.

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

use crate::answer::{self, Answer};
use crate::guest::body::GuestBody;
use crate::guest::{Failure, Guest};
use crate::log;
use crate::request::{self, Refusal};
use timed::TimedBody;

/// The body of any answer.
type AnswerBody = Either<Full<Bytes>, GuestBody>;

/// What answers the requests of one thread.
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
    /// Answers `request`, which `peer` sent over TLS if `https`.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
        https: bool,
        peer: SocketAddr,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = match self.try_answer(request, https, peer).await {
            Ok(response) => response.map(Either::Right),
            Err(Unanswered::Known(answer)) => answer.map(Either::Left),
            Err(Unanswered::Failed(failure)) => failed(&method, &uri, &failure).map(Either::Left),
        };
        Ok(answer)
    }

    async fn try_answer(
        &self,
        request: Request<Incoming>,
        https: bool,
        peer: SocketAddr,
    ) -> Result<Response<GuestBody>, Unanswered> {
        let (mut parts, body) = request.into_parts();
        request::prepare(&mut parts, https, peer)?;
        if let Some(answer) = answer::well_known(parts.uri.path(), &self.name, &self.version) {
            return Err(Unanswered::Known(answer));
        }
        let too_slow = Arc::new(AtomicBool::new(false));
        let body = TimedBody::new(body, self.read_timeout, too_slow.clone());
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let answered = self.guest.answer(Request::from_parts(parts, body), scheme, &self.tasks).await;
        // Whatever the guest made of a body that broke off, the client is what went wrong.
        if too_slow.load(Ordering::Relaxed) {
            let detail = format!("the request's body stood still for {:?}", self.read_timeout);
            return Err(Unanswered::Known(answer::problem(StatusCode::REQUEST_TIMEOUT, &detail)));
        }
        Ok(answered?)
    }
}

/// No answer by the guest.
enum Unanswered {
    /// The runtime's own answer.
    Known(Answer),
    /// The guest was asked, in vain.
    Failed(Failure),
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Known(match refusal {
            Refusal::Malformed(detail) => answer::problem(StatusCode::BAD_REQUEST, detail),
            Refusal::NotUtf8 => answer::empty(StatusCode::INTERNAL_SERVER_ERROR),
        })
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The client learns the kind of failure, the log its reason.
fn failed(method: &Method, uri: &Uri, failure: &Failure) -> Answer {
    let (answer, reason) = match failure {
        Failure::Busy => (answer::busy("all instances are at work; try again"), "all instances are at work".to_owned()),
        Failure::Timeout(limit) => {
            let detail = format!("the component gave no response within {limit:?}");
            (answer::problem(StatusCode::GATEWAY_TIMEOUT, &detail), detail)
        }
        Failure::Failed(reason) => {
            (answer::empty(StatusCode::INTERNAL_SERVER_ERROR), format!("the component failed: {reason}"))
        }
    };
    log::request_failed(method, uri, answer.status(), &reason);
    answer
}
