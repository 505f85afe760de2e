//! Which handler a request goes to.
//!
//! | path | methods | handler |
//! |---|---|---|
//! | `/`, and any path without a row of its own | any | [`root`] |
//! | `/healthz` | GET, HEAD | [`healthz`] |
//! | `/readyz` | GET, HEAD | [`readyz`] |
//! | `/hello` | GET, HEAD | [`hello`] |
//! | `/version` | GET, HEAD | [`version`] |
//! | `/headers` | GET, HEAD | [`headers`] |
//! | `/ip` | GET, HEAD | [`ip`] |
//! | `/echo` | POST, PUT, PATCH | [`echo`] |
//! | `/status/{code}` | any | [`status`] |
//! | `/delay/{seconds}` | GET, HEAD | [`delay`] |
//! | `/metrics` | GET, HEAD | [`metrics`] |
//! | `/openapi.json` | GET, HEAD | [`openapi`] |
//!
//! If a row lists methods, OPTIONS gets 204 and every other method 405, both with `allow`. Paths are compared as they arrive:
//! without the query and not decoded. `/healthz/` is not `/healthz`.

use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, StatusCode};

use crate::handlers::{Context, Result};
use crate::handlers::{delay, echo, headers, healthz, hello, ip, metrics, openapi, readyz, root, status, version};
use crate::host::Host;
use crate::problem::Problem;
use crate::response::Outcome;

/// A row of the table.
pub struct Route {
    /// The path. Its last segment may be a parameter in braces.
    pub path: &'static str,
    /// The methods that go to the handler.
    pub methods: Methods,
    handler: fn(&Context) -> Result,
}

/// The methods of a row.
pub enum Methods {
    /// Any method, even one that no standard defines.
    Any,
    /// Only these.
    Only(&'static [Method]),
}

const READ: Methods = Methods::Only(&[Method::GET, Method::HEAD]);
const WRITE: Methods = Methods::Only(&[Method::POST, Method::PUT, Method::PATCH]);

/// The row for paths without a row of their own.
const FALLBACK: &Route = &ROUTES[0];

/// The table.
pub const ROUTES: &[Route] = &[
    Route { path: "/", methods: Methods::Any, handler: root::handle },
    Route { path: "/healthz", methods: READ, handler: healthz::handle },
    Route { path: "/readyz", methods: READ, handler: readyz::handle },
    Route { path: "/hello", methods: READ, handler: hello::handle },
    Route { path: "/version", methods: READ, handler: version::handle },
    Route { path: "/headers", methods: READ, handler: headers::handle },
    Route { path: "/ip", methods: READ, handler: ip::handle },
    Route { path: "/echo", methods: WRITE, handler: echo::handle },
    Route { path: "/status/{code}", methods: Methods::Any, handler: status::handle },
    Route { path: "/delay/{seconds}", methods: READ, handler: delay::handle },
    Route { path: "/metrics", methods: READ, handler: metrics::handle },
    Route { path: "/openapi.json", methods: READ, handler: openapi::handle },
];

/// The row for a path, and the parameter in that path, empty if the row has none.
pub fn find(path: &str) -> (&'static Route, &str) {
    let row = ROUTES.iter().find_map(|route| Some((route, route.parameter(path)?)));
    row.unwrap_or((FALLBACK, ""))
}

/// Whether the response does not depend on the headers. Only the liveness probe is so: on most servers it is the most frequent request.
pub fn ignores_headers(request: &Request<()>) -> bool {
    request.uri().path() == "/healthz" && matches!(*request.method(), Method::GET | Method::HEAD)
}

impl Route {
    /// Calls the handler for a request whose path has that parameter.
    ///
    /// # Errors
    /// Something is wrong with the request or, for `/readyz`, with the variables.
    pub fn dispatch(&self, request: &Request<()>, parameter: &str, host: &dyn Host) -> Result {
        match self.methods {
            Methods::Only(methods) if !methods.contains(request.method()) => {
                Ok(other_method(request.method(), methods))
            }
            _ => (self.handler)(&Context { request, parameter, host }),
        }
    }

    /// The parameter in the path, empty if the route has none. `None` if the route is not for this path.
    fn parameter<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.path.split_once('{') {
            Some((prefix, _)) => path.strip_prefix(prefix).filter(|parameter| !parameter.contains('/')),
            None => (path == self.path).then_some(""),
        }
    }
}

/// 204 for OPTIONS, 405 for every other method that the route does not list.
fn other_method(method: &Method, methods: &[Method]) -> Outcome {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    names.push(Method::OPTIONS.as_str());
    let allow = names.join(", ");
    let outcome = if method == Method::OPTIONS {
        Outcome::empty(StatusCode::NO_CONTENT)
    } else {
        // Without the method: the response to HEAD has the length of the response to GET.
        let detail = format!("invalid method for this path: expected one of {allow}");
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into()
    };
    outcome.header(ALLOW, HeaderValue::try_from(allow).expect("names of methods are a valid value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get, send};

    /// A path for this row.
    fn example(route: &Route) -> String {
        route.path.replace("{code}", "200").replace("{seconds}", "1")
    }

    #[test]
    fn the_documentation_has_the_rows_of_the_table() {
        let documented = include_str!("router.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
        let documented: Vec<_> = documented.map(|line| line.split_once('`').unwrap()).collect();
        assert_eq!(documented.len(), ROUTES.len());
        for ((path, rest), route) in documented.into_iter().zip(ROUTES) {
            let methods = match route.methods {
                Methods::Any => "any".to_owned(),
                Methods::Only(methods) => methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", "),
            };
            assert_eq!(path, route.path);
            assert!(rest.contains(&format!("| {methods} |")), "{path}{rest}");
        }
    }

    #[test]
    fn a_listed_method_is_handled_and_every_other_is_405() {
        for route in ROUTES {
            let Methods::Only(methods) = route.methods else { continue };
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "BREW"] {
                let response = send(method, &example(route), &[]);
                let listed = methods.iter().any(|listed| listed == method);
                // The metrics are off by default.
                let handled = if route.path == "/metrics" { 404 } else { 200 };
                assert_eq!(response.status(), if listed { handled } else { 405 }, "{method} {}", route.path);
                assert_eq!(response.field("allow").is_empty(), listed);
            }
        }
    }

    #[test]
    fn a_405_and_the_response_to_options_say_what_is_allowed() {
        for (path, allow) in [("/healthz", "GET, HEAD, OPTIONS"), ("/echo", "POST, PUT, PATCH, OPTIONS")] {
            let other = send("DELETE", path, &[]);
            let detail = format!("invalid method for this path: expected one of {allow}");
            assert_eq!((other.field("allow"), other.detail(405)), (allow, detail));
            let options = send("OPTIONS", path, &[]);
            assert_eq!((options.status(), options.field("allow"), options.field("content-length")), (204, allow, ""));
        }
    }

    #[test]
    fn a_path_that_is_only_similar_to_a_row_goes_to_the_root() {
        let paths = [
            "/healthz/",
            "/HEALTHZ",
            "/health%7A",
            "/status",
            "/status/200/",
            "/delay/1/2",
            "/metrics/",
            "//ip",
            "/ip;v=1",
        ];
        for path in paths {
            assert_eq!(get(path).body(), "response write ok", "{path}");
        }
    }

    #[test]
    fn the_query_is_not_part_of_the_path() {
        assert_eq!(get("/healthz?x=/ip").body(), "200 ok");
    }
}
