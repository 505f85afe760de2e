//! The head of a request, checked and converted to the types of the crate `http`.

use http::uri::PathAndQuery;
use http::{HeaderName, Method, Request, Uri};

use crate::headers::values;
use crate::problem::{Problem, invalid};

/// The number of names that [`http::HeaderMap`] can have. Hosts have lower limits.
const NAME_LIMIT: usize = 24_576;

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// The parts that are well-formed. So the log has them even if the request is rejected.
    pub request: Request<()>,
    /// Why the request gets an error before a handler sees it.
    pub(crate) rejection: Option<Problem>,
}

impl RequestHead {
    /// Converts a head. The target is a path with an optional query (RFC 9112 §3.2.1), or `*`. The headers are in the order in
    /// which they arrived.
    pub fn new(method: &str, target: &str, headers: Vec<(String, Vec<u8>)>) -> Self {
        let mut head = Self { request: Request::new(()), rejection: None };
        match Method::from_bytes(method.as_bytes()) {
            Ok(method) => *head.request.method_mut() = method,
            Err(_) => head.reject(invalid("method", method, "a token (RFC 9110 §5.6.2), such as GET")),
        }
        match PathAndQuery::try_from(target) {
            Ok(target) => *head.request.uri_mut() = Uri::from(target),
            Err(_) => head.reject(invalid("request target", target, "a path (RFC 9112 §3.2), such as /hello?user=ada")),
        }
        // Only saves time. If it fails, `add` fails too.
        let _ = head.request.headers_mut().try_reserve(headers.len());
        for (name, value) in headers {
            if let Err(detail) = head.add(&name, value) {
                head.reject(detail);
            }
        }
        head
    }

    fn add(&mut self, name: &str, value: Vec<u8>) -> Result<(), String> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid("header name", name, "a token (RFC 9110 §5.1), such as accept"))?;
        let value = values::parse(&name, value)?;
        let full = |_| format!("invalid number of headers: expected at most {NAME_LIMIT} different names");
        self.request.headers_mut().try_append(name, value).map(drop).map_err(full)
    }

    /// Keeps the first reason. A later one may only follow from it.
    fn reject(&mut self, detail: String) {
        self.rejection.get_or_insert_with(|| Problem::bad_request(detail));
    }
}
