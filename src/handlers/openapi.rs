//! `/openapi.json`: a description of the routes for tools.

use super::{Context, Result};
use crate::response::Outcome;

/// `openapi.json` without white space (see `build.rs`). A test compares it with the router's table.
const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// The OpenAPI 3.1 description of the routes.
pub fn handle(_: &Context) -> Result {
    Ok(Outcome::json(DOCUMENT))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;
    use crate::router::{Methods, ROUTES};
    use crate::testing::{TestHost, get};

    /// The operations of a path item (OpenAPI 3.1 §4.8.9): the methods that OpenAPI has.
    const OPERATIONS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// The statuses in the description of an operation.
    fn statuses(operation: &Value) -> impl Iterator<Item = &str> {
        operation["responses"].as_object().into_iter().flat_map(|responses| responses.keys().map(String::as_str))
    }

    #[test]
    fn the_document_is_served() {
        let response = get("/openapi.json");
        assert_eq!((response.body(), response.field("content-type")), (DOCUMENT, "application/json"));
    }

    #[test]
    fn the_document_loses_only_white_space() {
        let source: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        assert_eq!(document(), source);
        assert_eq!(DOCUMENT.len(), source.to_string().len());
    }

    #[test]
    fn the_document_has_the_version_of_the_crate() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_document_has_the_paths_and_methods_of_the_router() {
        let routed: BTreeMap<_, BTreeSet<String>> = ROUTES
            .iter()
            .map(|route| match route.methods {
                Methods::Any => (route.path.to_owned(), OPERATIONS.map(str::to_owned).into()),
                Methods::Only(methods) => {
                    (route.path.to_owned(), methods.iter().map(|method| method.as_str().to_lowercase()).collect())
                }
            })
            .collect();
        let operations = |item: &Value| -> BTreeSet<String> {
            let refused = |operation: &Value| statuses(operation).eq(["405"]);
            let operations = item.as_object().unwrap().iter().filter(|(key, _)| OPERATIONS.contains(&key.as_str()));
            operations.filter(|(_, operation)| !refused(operation)).map(|(key, _)| key.clone()).collect()
        };
        let documented = document()["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, item)| (path.clone(), operations(item)))
            .collect();
        assert_eq!(routed, documented);
    }

    #[test]
    fn every_error_is_described() {
        let host = TestHost::with([("log", "loud")]);
        for (path, target, status, detail) in [
            ("/readyz", "/readyz", "503", "variable log"),
            ("/hello", "/hello?user=%00", "400", "control characters"),
            ("/delay/{seconds}", "/delay/x", "400", "invalid delay"),
            ("/echo", "/echo", "405", "invalid method"),
        ] {
            for method in ["GET", "HEAD"] {
                let operation = &document()["paths"][path][method.to_lowercase()];
                let outcome = host.send(method, target, &[]);
                assert_eq!(outcome.response.status().as_str(), status, "{method} {target}");
                assert!(outcome.error.unwrap().contains(detail), "{method} {target}");
                // A method that the document does not have is not allowed.
                let described =
                    operation.is_null() && method == "GET" || statuses(operation).any(|known| known == status);
                assert!(described, "{method} {path} does not describe {status}");
            }
        }
    }

    #[test]
    fn head_has_the_statuses_of_get() {
        for (path, item) in document()["paths"].as_object().unwrap() {
            if !item["get"].is_null() {
                assert!(statuses(&item["get"]).eq(statuses(&item["head"])), "{path}");
            }
        }
    }

    #[test]
    fn every_reference_has_a_target() {
        let document = document();
        let references: Vec<_> =
            DOCUMENT.split("\"$ref\":\"#").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
        assert!(references.len() > 20);
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_path_parameter_is_described() {
        for route in ROUTES.iter().filter(|route| route.path.contains('{')) {
            let name = route.path.split(['{', '}']).nth(1).unwrap();
            assert_eq!(document()["paths"][route.path]["parameters"][0]["name"], name);
        }
    }
}
