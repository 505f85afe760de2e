//! The head of a request, checked and converted to the types of the crate `http`.

use http::uri::PathAndQuery;
use http::{HeaderName, Method, Request, Uri};

use crate::headers::values;
use crate::problem::{Problem, invalid};

/// The number of names that [`http::HeaderMap`] can have. Hosts have lower limits.
const NAME_LIMIT: usize = 24_576;

/// Names and values of headers, in the order in which they arrived.
pub type Headers = Vec<(String, Vec<u8>)>;

/// The head of a request.
pub struct RequestHead<'a> {
    /// The parts that are well-formed. So the log has them even if the request is rejected.
    pub(crate) request: Request<()>,
    /// Why the request gets an error before a handler sees it.
    pub(crate) rejection: Option<Problem>,
    /// Gives the headers, which are not read yet.
    unread: Option<Box<dyn FnOnce() -> Headers + 'a>>,
}

impl<'a> RequestHead<'a> {
    /// Converts a head. The target is a path with an optional query (RFC 9112 §3.2.1), or `*`. The headers are asked for only if the
    /// response or the log needs them: to get them from a host takes time.
    pub fn new(method: &str, target: &str, headers: impl FnOnce() -> Headers + 'a) -> Self {
        let mut head = Self { request: Request::new(()), rejection: None, unread: Some(Box::new(headers)) };
        match Method::from_bytes(method.as_bytes()) {
            Ok(method) => *head.request.method_mut() = method,
            Err(_) => head.reject(invalid("method", method, "a token (RFC 9110 §5.6.2), such as GET")),
        }
        match PathAndQuery::try_from(target) {
            Ok(target) => *head.request.uri_mut() = Uri::from(target),
            Err(_) => head.reject(invalid("request target", target, "a path (RFC 9112 §3.2), such as /hello?user=ada")),
        }
        head
    }

    /// Reads and checks the headers.
    pub(crate) fn read_headers(&mut self) {
        let headers = self.unread.take().map_or_else(Vec::new, |headers| headers());
        // Only saves time. If it fails, `add` fails too.
        let _ = self.request.headers_mut().try_reserve(headers.len());
        for (name, value) in headers {
            if let Err(detail) = self.add(&name, value) {
                self.reject(detail);
            }
        }
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
