//! Which handler answers which request.
//!
//! | path | methods | handler |
//! |---|---|---|
//! | `/`, and any without a row of its own | any | [`root`] |
//! | `/healthz` | GET, HEAD | [`healthz`] |
//! | `/readyz` | GET, HEAD | [`readyz`] |
//! | `/hello` | GET, HEAD | [`hello`] |
//! | `/version` | GET, HEAD | [`version`] |
//! | `/headers` | GET, HEAD | [`headers`] |
//! | `/ip` | GET, HEAD | [`ip`] |
//! | `/echo` | POST, PUT, PATCH | [`echo`] |
//! | `/status/{code}` | any | [`status`] |
//! | `/delay/{seconds}` | GET, HEAD | [`delay`] |
//! | `/openapi.json` | GET, HEAD | [`openapi`] |
//!
//! Where a row lists its methods, OPTIONS gets 204 and any other 405, both with `allow`. Paths are compared as they arrive:
//! without the query, not decoded, and `/healthz/` is not `/healthz`.

use crate::Host;
use crate::handlers::{delay, echo, headers, healthz, hello, ip, openapi, readyz, root, status, version};
use crate::problem::Problem;
use crate::response::Answer;
use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, StatusCode};

/// What a handler works with.
pub struct Context<'a> {
    /// The request.
    pub request: &'a Request<()>,
    /// What stands in the path in place of the `{…}` of its row; as it arrived, not decoded.
    pub parameter: &'a str,
    /// Where variables and random numbers come from.
    pub host: &'a dyn Host,
}

/// A row of the table.
pub struct Route {
    /// A path; its last segment may be a parameter in braces.
    pub path: &'static str,
    /// The methods that the handler is for.
    pub methods: Methods,
    handler: fn(&Context) -> Result<Answer, Problem>,
}

/// The methods of a row.
pub enum Methods {
    /// Any, also those that no standard knows.
    Any,
    /// These.
    Only(&'static [Method]),
}

const READ: Methods = Methods::Only(&[Method::GET, Method::HEAD]);
const WRITE: Methods = Methods::Only(&[Method::POST, Method::PUT, Method::PATCH]);

/// The row for what has no other.
const FALLBACK: &Route = &ROUTES[0];

/// The table.
pub static ROUTES: [Route; 11] = [
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
    Route { path: "/openapi.json", methods: READ, handler: openapi::handle },
];

/// Has the request answered by the handler of its path and method.
///
/// # Errors
/// What is wrong with the request, or with the server's configuration.
pub fn dispatch(request: &Request<()>, host: &dyn Host) -> Result<Answer, Problem> {
    let path = request.uri().path();
    let row = ROUTES.iter().find_map(|route| Some((route, route.parameter(path)?)));
    let (route, parameter) = row.unwrap_or((FALLBACK, ""));
    match route.methods {
        Methods::Only(methods) if !methods.contains(request.method()) => Ok(refuse_method(request.method(), methods)),
        _ => (route.handler)(&Context { request, parameter, host }),
    }
}

impl Route {
    /// `None` if the path is another; the parameter if there is one, else an empty text.
    fn parameter<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.path.split_once('{') {
            Some((prefix, _)) => path.strip_prefix(prefix).filter(|parameter| !parameter.contains('/')),
            None => (path == self.path).then_some(""),
        }
    }
}

fn refuse_method(method: &Method, methods: &[Method]) -> Answer {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    names.push(Method::OPTIONS.as_str());
    let allow = names.join(", ");
    let answer = if method == Method::OPTIONS {
        Answer::empty(StatusCode::NO_CONTENT)
    } else {
        let detail = format!("the method is not for this path; accepted is {allow}");
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into()
    };
    answer.header(ALLOW, HeaderValue::try_from(allow).expect("names of methods are a valid value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answer, get};

    /// A path that the row is for.
    fn example(route: &Route) -> String {
        route.path.replace("{code}", "200").replace("{seconds}", "1")
    }

    #[test]
    fn the_documentation_has_the_rows_of_the_table() {
        let documented = include_str!("router.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
        let documented: Vec<_> = documented.map(|line| line.split_once('`').unwrap()).collect();
        assert_eq!(documented.len(), ROUTES.len());
        for ((path, rest), route) in documented.into_iter().zip(&ROUTES) {
            let methods = match route.methods {
                Methods::Any => "any".to_owned(),
                Methods::Only(methods) => methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", "),
            };
            assert_eq!(path, route.path);
            assert!(rest.contains(&format!("| {methods} |")), "{path}{rest}");
        }
    }

    #[test]
    fn a_listed_method_is_handled_and_any_other_refused() {
        for route in &ROUTES {
            let Methods::Only(methods) = route.methods else { continue };
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "BREW"] {
                let answer = answer(method, &example(route), &[]);
                let listed = methods.iter().any(|listed| listed == method);
                assert_eq!(answer.status(), if listed { 200 } else { 405 }, "{method} {}", route.path);
                assert_eq!(answer.field("allow").is_empty(), listed);
            }
        }
    }

    #[test]
    fn a_refusal_and_the_answer_to_options_say_what_is_allowed() {
        for (path, allow) in [("/healthz", "GET, HEAD, OPTIONS"), ("/echo", "POST, PUT, PATCH, OPTIONS")] {
            let refusal = answer("DELETE", path, &[]);
            let detail = format!("the method is not for this path; accepted is {allow}");
            assert_eq!((refusal.field("allow"), refusal.detail(405)), (allow, detail));
            let options = answer("OPTIONS", path, &[]);
            assert_eq!((options.status(), options.field("allow"), options.field("content-length")), (204, allow, ""));
        }
    }

    #[test]
    fn a_path_that_only_resembles_a_row_is_echoed() {
        let paths = [
            "/healthz/",
            "/HEALTHZ",
            "/health%7A",
            "/status",
            "/status/200/",
            "/delay/1/2",
            "/metrics",
            "//ip",
            "/ip;v=1",
        ];
        for path in paths {
            assert_eq!(get(path).body(), "response write ok", "{path}");
        }
    }

    #[test]
    fn the_query_is_no_part_of_the_path() {
        assert_eq!(get("/healthz?x=/ip").body(), "200 ok");
    }
}
