use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use http::Request;
use http::request::Builder;
use http_body::Frame;
use http_body_util::Full;

use super::*;

/// Keeps how each request ended, as `status error`.
#[derive(Debug, Default)]
struct Ends(Mutex<Vec<String>>);

impl Observer for Ends {
    fn for_thread(&'static self) -> &'static dyn Observer {
        self
    }

    fn begun(&self, exchange: &mut Exchange, _head: &mut Parts) {
        assert_eq!((exchange.route, exchange.status, exchange.error), (None, None, None));
    }

    fn finished(&self, exchange: &mut Exchange) {
        let status = exchange.status.map_or("-".to_owned(), |status| status.as_u16().to_string());
        let error = exchange.error.as_ref().map_or("-", ErrorType::name);
        self.0.lock().unwrap().push(format!("{status} {error}"));
    }
}

/// A body that does not know its end before it is asked for more, as a guest's.
struct Pieces(VecDeque<Result<&'static str, &'static str>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}

fn begin(ends: &'static Ends, request: Builder) -> Observation {
    let observers = Observers { metrics: Some(ends), telemetry: None };
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    observers.begin(&mut head, false, ([127, 0, 0, 1], 1).into())
}

/// How a request ended with which `act` does what a connection would do.
fn end(request: Builder, act: impl FnOnce(Observation)) -> String {
    let ends: &'static Ends = Box::leak(Box::default());
    act(begin(ends, request));
    let ends = ends.0.lock().unwrap();
    assert_eq!(ends.len(), 1, "{ends:?}");
    ends[0].clone()
}

/// How a request ends if its response has these pieces, and the connection takes that many of them.
fn taken(request: Builder, response: http::response::Builder, pieces: &[&'static str], most: usize) -> String {
    let pieces = Pieces(pieces.iter().map(|&piece| Ok(piece)).collect());
    end(request, |observation| take(observation.answered(response.body(pieces).unwrap()), most))
}

/// Asks for so many frames, then drops the body.
fn take<B: Body<Data = Bytes> + Unpin>(response: Response<B>, most: usize) {
    let (mut body, mut context) = (response.into_body(), Context::from_waker(Waker::noop()));
    for _ in 0..most {
        assert!(Pin::new(&mut body).poll_frame(&mut context).is_ready());
    }
}

#[test]
fn a_response_that_was_given_whole_is_no_failure() {
    let (get, ok) = (|| Request::get("/"), Response::builder);
    assert_eq!(taken(get(), ok(), &["a", "b"], 3), "200 -");
    // hyper asks for no end if it knows the length, and for nothing at all if there is nothing to send.
    assert_eq!(taken(get(), ok().header("content-length", "2"), &["a", "b"], 2), "200 -");
    assert_eq!(taken(get(), ok().header("content-length", "0"), &[], 0), "200 -");
    assert_eq!(taken(Request::head("/"), ok().header("content-length", "2"), &["a", "b"], 0), "200 -");
    assert_eq!(taken(get(), ok().status(204), &[], 0), "204 -");
    assert_eq!(taken(get(), ok().status(304), &[], 0), "304 -");
    assert_eq!(end(get(), |observation| take(observation.answered(Response::new(Full::from("all"))), 1)), "200 -");
}

#[test]
fn a_client_that_does_not_take_all_of_it_is_gone() {
    let (get, ok) = (|| Request::get("/"), Response::builder);
    assert_eq!(taken(get(), ok(), &["a", "b"], 2), "200 client_gone");
    assert_eq!(taken(get(), ok().header("content-length", "2"), &["a", "b"], 1), "200 client_gone");
    assert_eq!(
        end(get(), |observation| take(observation.answered(Response::new(Full::from("all"))), 0)),
        "200 client_gone"
    );
    assert_eq!(end(get(), drop), "- client_gone");
}

#[test]
fn a_failure_keeps_its_first_reason() {
    let cut = Pieces([Ok("half"), Err("the guest trapped")].into());
    assert_eq!(
        end(Request::get("/"), |observation| take(observation.answered(Response::new(cut)), 2)),
        "200 cut_short"
    );
    let failed = |mut observation: Observation| {
        observation.fail(ErrorType::Guest(FailureKind::Unreachable));
        let response = Response::builder().status(500).body(Full::default()).unwrap();
        take(observation.answered(response), 0);
    };
    assert_eq!(end(Request::get("/"), failed), "500 unreachable");
    assert_eq!(taken(Request::get("/"), Response::builder().status(503), &[], 1), "503 503");
}

#[test]
fn a_refusal_is_a_failure_only_if_the_server_is_to_blame() {
    let refused = |refusal, status| {
        end(Request::get("/"), |mut observation| {
            observation.refused(refusal);
            take(observation.answered(Response::builder().status(status).body(Full::from("why")).unwrap()), 1);
        })
    };
    assert_eq!(refused(Refusal::Malformed, 400), "400 -");
    assert_eq!(refused(Refusal::SlowBody, 408), "408 -");
    assert_eq!(refused(Refusal::Busy, 503), "503 busy");
    assert_eq!(refused(Refusal::NotUtf8, 500), "500 not_utf8");
}

#[test]
fn the_callers_trace_is_known() {
    let ends: &'static Ends = Box::leak(Box::default());
    let trace = |value| {
        let observation = begin(ends, Request::get("/").header("traceparent", value));
        observation.exchange.as_ref().unwrap().trace
    };
    let expected =
        Trace { trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span_id: 0xf0_67aa_0ba9_02b7, sampled: true };
    assert_eq!(trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some(expected));
    assert_eq!(trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"), None);
}

#[test]
fn nobody_keeps_an_account_of_nothing() {
    let (mut head, ()) = Request::get("/").body(()).unwrap().into_parts();
    let observers = Observers::default();
    assert!(observers.begin(&mut head, false, ([127, 0, 0, 1], 1).into()).is_empty());
    assert_eq!(observers.now(), None);
}
