//! Counts a guest's calls of its host. The bindings of wasmtime-wasi say each one as a span of `tracing`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The name of the span of a call.
const CALL: &str = "wit-bindgen import";

thread_local! {
    static CALLS: RefCell<BTreeMap<String, usize>> = const { RefCell::new(BTreeMap::new()) };
}

/// Does something, and counts the calls of the guests that this thread runs meanwhile.
pub fn counted<T>(act: impl FnOnce() -> T) -> (T, BTreeMap<String, usize>) {
    CALLS.take();
    let result = tracing::subscriber::with_default(Calls, act);
    (result, CALLS.take())
}

/// One more call of the function.
pub fn count(function: String) {
    CALLS.with_borrow_mut(|calls| *calls.entry(function).or_default() += 1);
}

struct Calls;

impl Subscriber for Calls {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == CALL
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut call = Call::default();
        span.record(&mut call);
        count(format!("{}.{}", call.module, call.function));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The fields of a call's span.
#[derive(Default)]
struct Call {
    module: String,
    function: String,
}

impl Visit for Call {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "module" => self.module = value.to_owned(),
            "function" => self.function = value.to_owned(),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
