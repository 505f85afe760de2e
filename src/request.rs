//! The request as the host hands it over, checked and brought into the form that the rest works with.

use crate::headers::values;
use crate::problem::{Problem, quoted};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

/// A request head.
#[derive(Debug)]
pub struct Received {
    /// What of it could be understood: enough for the log, whatever else is wrong with it.
    pub request: Request<()>,
    /// What could not be, and hence is refused.
    pub(crate) fault: Option<Problem>,
}

impl Received {
    /// Reads a request head. The target is a path with an optional query (RFC 9112 §3.2.1), or `*`; the fields come in
    /// the order in which they arrived.
    pub fn new(method: &str, target: &str, fields: Vec<(String, Vec<u8>)>) -> Self {
        let mut received = Self { request: Request::new(()), fault: None };
        match Method::from_bytes(method.as_bytes()) {
            Ok(method) => *received.request.method_mut() = method,
            Err(_) => received.refuse(format!("the method {} is no token (RFC 9110 §5.6.2)", quoted(method))),
        }
        match PathAndQuery::try_from(target) {
            Ok(target) => *received.request.uri_mut() = Uri::from(target),
            Err(_) => received.refuse(format!("{} is no request target (RFC 9112 §3.2)", quoted(target))),
        }
        // It only saves moves: what does not fit is refused below.
        let _ = received.request.headers_mut().try_reserve(fields.len());
        for (name, value) in fields {
            if let Err(detail) = received.add(&name, value) {
                received.refuse(detail);
            }
        }
        received
    }

    fn add(&mut self, name: &str, value: Vec<u8>) -> Result<(), String> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{} is no header field name (RFC 9110 §5.1)", quoted(name)))?;
        values::check(&name, &value)?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| format!("the value of the header field {} is malformed", name.as_str()))?;
        let full = |_| "too many header fields".to_owned();
        self.request.headers_mut().try_append(name, value).map(drop).map_err(full)
    }

    /// The first fault is the one to report: what follows may be its consequence.
    fn refuse(&mut self, detail: String) {
        self.fault.get_or_insert_with(|| Problem::bad_request(detail));
    }
}
