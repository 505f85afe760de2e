//! Ways to respond.

use std::io::Write;

use wasi::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// Responds 200 with a short text.
///
/// The body is finished before the head is handed over, so both leave the host together.
pub fn text(out: ResponseOutparam, text: &str) {
    let response = response(text.len());
    let body = response.body().expect("the body is taken once");
    let mut stream = body.write().expect("the stream is taken once");
    stream.write_all(text.as_bytes()).expect("a short text fits into the first write");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body has the announced length");
    ResponseOutparam::set(out, Ok(response));
}

/// Responds 200 with `length` bytes `x`.
pub fn large(out: ResponseOutparam, length: usize) {
    let response = response(length);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    // If the client went away, the host takes care of it.
    if stream.write_all(&vec![b'x'; length]).is_ok() && stream.blocking_flush().is_ok() {
        drop(stream);
        OutgoingBody::finish(body, None).expect("the body has the announced length");
    }
}

/// Hands over the head of a 200 without `content-length`, and returns its body, which is not written yet.
pub fn head(out: ResponseOutparam) -> OutgoingBody {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    body
}

fn response(length: usize) -> OutgoingResponse {
    let fields = Fields::new();
    fields.set(&"content-length".to_owned(), &[length.to_string().into_bytes()]).expect("a length may be set");
    OutgoingResponse::new(fields)
}
