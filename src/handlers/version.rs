//! `/version`: which build this is, and where it runs.

use crate::config;
use crate::json::Object;
use crate::problem::Problem;
use crate::response::Answer;
use crate::router::Context;

/// Answers with the version that the deployment set, those of the crate and its source, and the pod and node.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let version = config::VERSION.read(context.host);
    let document = Object::default()
        .string("version", version.to_str().expect("a version is visible ASCII"))
        .string("crate_version", env!("CARGO_PKG_VERSION"))
        .string("git_commit", env!("HTTPSERVER_GIT_COMMIT"))
        .string("pod_name", &config::POD_NAME.read(context.host))
        .string("node_name", &config::NODE_NAME.read(context.host));
    Ok(Answer::json(document.finish()))
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestHost, received};
    use serde_json::{Value, json};

    #[test]
    fn tells_the_configured_version_the_build_and_the_place() {
        let host = TestHost::with(&[("version", "v9"), ("pod_name", "pod-1"), ("node_name", "node-1")]);
        let (answer, _) = crate::respond(received("GET", "/version", &[]), &host);
        let expected = json!({
            "version": "v9",
            "crate_version": env!("CARGO_PKG_VERSION"),
            "git_commit": env!("HTTPSERVER_GIT_COMMIT"),
            "pod_name": "pod-1",
            "node_name": "node-1",
        });
        assert_eq!(serde_json::from_str::<Value>(answer.body()).unwrap(), expected);
        assert_eq!((answer.field("content-type"), answer.field("version")), ("application/json", "v9"));
    }
}
