//! The component: the only file that speaks to the host, by `wasi:http`, other WASI 0.2 interfaces and Spin's variables.
//!
//! Standard output, clocks and random numbers go through the `wasi` crate and never through std, which would bring along the
//! adapter from preview 1 of WASI: three times the size, and a third of the requests per second lost.

mod allocator;

use crate::{Announced, Answer, Body, Completion, Host, Received, respond};
use http::{HeaderMap, Response};
use spin_sdk::variables;
use std::time::Duration;
use wasi::cli::stdout::get_stdout;
use wasi::clocks::{monotonic_clock, wall_clock};
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasi::io::streams::StreamError;
use wasi::random::random::get_random_u64;

/// Bytes that a stream takes in one blocking write, by the contract of `wasi:io/streams`.
const BLOCKING_WRITE: usize = 4096;

/// Bytes that are asked for at a time when a body is passed on. The host reads its connections in smaller pieces.
const SPLICE: u64 = 1 << 20;

/// Why a body is incomplete.
const CLIENT_GONE: &str = "the client went away";

struct Component;

wasi::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let start = monotonic_clock::now();
        let (Answer { response, wait, .. }, log) = respond(receive(&request), &SpinHost);
        if !wait.is_zero() {
            monotonic_clock::subscribe_duration(wait.as_nanos() as u64).block();
        }
        let (bytes, error) = send(&request, response, out);
        if let Some(log) = log {
            let duration = Duration::from_nanos(monotonic_clock::now() - start);
            let now = wall_clock::now();
            let time = Duration::new(now.seconds, now.nanoseconds);
            let line = log.line(&Completion { time, duration, bytes, error });
            // A log that nobody takes must not harm the request.
            let _ = get_stdout().blocking_write_and_flush(line.as_bytes());
        }
    }
}

/// The host that the component runs on.
struct SpinHost;

impl Host for SpinHost {
    fn variable(&self, name: &str) -> Result<Option<String>, String> {
        match variables::get(name) {
            Ok(value) => Ok(Some(value)),
            Err(variables::Error::Undefined(_)) => Ok(None),
            Err(
                variables::Error::InvalidName(reason)
                | variables::Error::Provider(reason)
                | variables::Error::Other(reason),
            ) => Err(reason),
        }
    }

    fn random(&self) -> u64 {
        get_random_u64()
    }
}

fn receive(request: &IncomingRequest) -> Received {
    let method = request.method();
    let method = match &method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    };
    let target = request.path_with_query().unwrap_or_default();
    let target = if target.is_empty() { "/" } else { &target };
    Received::new(method, target, request.headers().entries())
}

/// Bytes of the body that were sent, and why not all of them were.
type Sent = (u64, Option<&'static str>);

fn send(request: &IncomingRequest, response: Response<Body>, out: ResponseOutparam) -> Sent {
    let (head, body) = response.into_parts();
    let response = OutgoingResponse::new(fields(&head.headers));
    // Only what is no status at all is refused.
    let _ = response.set_status_code(head.status.as_u16());
    match body {
        Body::Empty => {
            ResponseOutparam::set(out, Ok(response));
            (0, None)
        }
        Body::Text(text) => send_text(text.as_bytes(), response, out),
        Body::Echo(announced) => echo(request, announced, response, out),
    }
}

/// A host may refuse some names and values (`HeaderError`), then for all fields at once. It then gets them one by one, and the
/// refused are left out: the client's request must not fail for them.
fn fields(headers: &HeaderMap) -> Fields {
    let entries: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    Fields::from_list(&entries).unwrap_or_else(|_| {
        let fields = Fields::new();
        for (name, value) in &entries {
            let _ = fields.append(name, value);
        }
        fields
    })
}

/// What the stream takes at once is written before the response is handed over, and finished too if that is all: head and
/// body then leave in one segment. In two, a client that delays its acknowledgements adds 40 ms on hosts without TCP_NODELAY.
fn send_text(text: &[u8], response: OutgoingResponse, out: ResponseOutparam) -> Sent {
    let body = response.body().expect("the body is taken once");
    let stream = body.write().expect("the stream is taken once");
    let permit = stream.check_write().unwrap_or(0);
    let (first, rest) = text.split_at(text.len().min(permit as usize));
    let mut written = if stream.write(first).is_ok() { first.len() } else { 0 };
    if rest.is_empty() {
        drop(stream);
        let error = finish(body);
        ResponseOutparam::set(out, Ok(response));
        return (written as u64, error);
    }
    ResponseOutparam::set(out, Ok(response));
    for piece in rest.chunks(BLOCKING_WRITE) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return (written as u64, Some(CLIENT_GONE));
        }
        written += piece.len();
    }
    drop(stream);
    (written as u64, finish(body))
}

/// Passes the request's body on as it arrives and as the client takes it: the host holds one piece at a time, the component
/// none. A body that breaks off is dropped unfinished, so that the client does not take it for the whole.
fn echo(request: &IncomingRequest, announced: Announced, response: OutgoingResponse, out: ResponseOutparam) -> Sent {
    let body = response.body().expect("the body is taken once");
    let output = body.write().expect("the stream is taken once");
    let upload = request.consume().expect("the upload is taken once");
    let input = upload.stream().expect("the stream is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut bytes = 0;
    let end = loop {
        match output.blocking_splice(&input, SPLICE) {
            Ok(count) => bytes += count,
            Err(end) => break end,
        }
    };
    let error = match end {
        // Either end may be the closed one.
        StreamError::Closed if announced.is_whole(bytes, || output.check_write().is_ok()) => {
            drop(output);
            finish(body)
        }
        StreamError::Closed => Some(CLIENT_GONE),
        StreamError::LastOperationFailed(_) => Some("the upload broke off"),
    };
    (bytes, error)
}

/// The stream of the body must be dropped before.
fn finish(body: OutgoingBody) -> Option<&'static str> {
    OutgoingBody::finish(body, None).err().map(|_| "the body has another length than the head says")
}
