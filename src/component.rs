//! The component: the only module that calls the host, through WASI 0.2 (`wasi:http` and others) and Spin's variables.
//!
//! Standard output, clocks and random numbers go through the crate `wasi`, never through std. Std would add the adapter from
//! preview 1 of WASI: three times the size, and a third fewer requests per second.

mod allocator;
mod spin_host;

use std::time::Duration;

use http::{HeaderMap, Response};
use wasi::cli::stdout::get_stdout;
use wasi::clocks::{monotonic_clock, wall_clock};
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasi::io::streams::StreamError;

use crate::{AnnouncedLength, Body, Completion, Outcome, RequestHead, respond};
use spin_host::SpinHost;

/// Bytes that a stream takes in one blocking write (`wasi:io/streams`).
const BLOCKING_WRITE: usize = 4096;

/// Bytes of one call that streams a body. It is more than a host reads from a connection at once.
const SPLICE: u64 = 1 << 20;

/// The error in the log if the client closed the connection.
const CLIENT_GONE: &str = "the client went away";

struct Component;

wasi::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let start = monotonic_clock::now();
        let host = SpinHost::default();
        let (Outcome { response, delay, observation, .. }, entry) = respond(receive(&request), &host);
        if !delay.is_zero() {
            monotonic_clock::subscribe_duration(delay.as_nanos() as u64).block();
        }
        let (bytes, error) = send(&request, response, out);
        if observation.is_none() && entry.is_none() {
            return;
        }
        let duration = Duration::from_nanos(monotonic_clock::now() - start);
        if let Some(observation) = observation {
            observation.record(duration, &host);
        }
        if let Some(entry) = entry {
            let now = wall_clock::now();
            let time = Duration::new(now.seconds, now.nanoseconds);
            let line = entry.line(&Completion { time, duration, bytes, error });
            // Ignores errors: the response is sent already.
            let _ = get_stdout().blocking_write_and_flush(line.as_bytes());
        }
    }
}

fn receive(request: &IncomingRequest) -> RequestHead<'_> {
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
    RequestHead::new(method, target, || request.headers().entries())
}

/// The bytes of the body that were sent, and why the body is incomplete, if it is.
type Sent = (u64, Option<&'static str>);

fn send(request: &IncomingRequest, response: Response<Body>, out: ResponseOutparam) -> Sent {
    let (head, body) = response.into_parts();
    let response = OutgoingResponse::new(fields(&head.headers));
    // Fails only for an invalid status, which `StatusCode` excludes.
    let _ = response.set_status_code(head.status.as_u16());
    match body {
        Body::Empty => {
            ResponseOutparam::set(out, Ok(response));
            (0, None)
        }
        Body::Text(text) => send_text(text.as_bytes(), response, out),
        Body::Echo(length) => echo(request, length, response, out),
    }
}

/// The response headers. If the host forbids one of them (`HeaderError`), it gets them one by one, and the forbidden ones are
/// left out: the request must not fail because of them.
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

/// Writes what the stream takes at once before it hands over the response. If that is the whole body, finishes it too. Then the
/// head and the body leave the host in one TCP segment. With two segments, on hosts without TCP_NODELAY, a client that delays its
/// acknowledgements waits 40 ms longer.
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

/// Streams the request's body back as fast as it arrives and the client reads. The host holds one piece at a time, the component
/// nothing. An incomplete body is dropped and not finished, so that the client does not take it for complete.
fn echo(request: &IncomingRequest, length: AnnouncedLength, response: OutgoingResponse, out: ResponseOutparam) -> Sent {
    let body = response.body().expect("the body is taken once");
    let output = body.write().expect("the stream is taken once");
    let request_body = request.consume().expect("the body is taken once");
    let input = request_body.stream().expect("the stream is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut bytes = 0;
    let end = loop {
        match output.blocking_splice(&input, SPLICE) {
            Ok(count) => bytes += count,
            Err(end) => break end,
        }
    };
    let error = match end {
        // The request's body or the response's body is closed.
        StreamError::Closed if length.is_complete(bytes, || output.check_write().is_ok()) => {
            drop(output);
            finish(body)
        }
        StreamError::Closed => Some(CLIENT_GONE),
        StreamError::LastOperationFailed(_) => Some("the request's body broke off"),
    };
    (bytes, error)
}

/// Ends a body. Its stream must be dropped before.
fn finish(body: OutgoingBody) -> Option<&'static str> {
    OutgoingBody::finish(body, None).err().map(|_| "the body does not have the announced length")
}
