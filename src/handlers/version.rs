//! `/version`: which build this is, and where it runs.

use super::{Context, Result};
use crate::config;
use crate::json::Object;
use crate::response::Outcome;

/// The version that the deployment set, the crate's version, the commit, and the names of the pod and the node.
pub fn handle(context: &Context) -> Result {
    let version = config::VERSION.read(context.host);
    let document = Object::default()
        .string("version", version.to_str().expect("a version is visible ASCII"))
        .string("crate_version", env!("CARGO_PKG_VERSION"))
        .string("git_commit", env!("HTTPSERVER_GIT_COMMIT"))
        .string("pod_name", &config::POD_NAME.read(context.host))
        .string("node_name", &config::NODE_NAME.read(context.host));
    Ok(Outcome::json(document.finish()))
}

#[cfg(test)]
mod tests {
    use crate::testing::TestHost;
    use serde_json::{Value, json};

    #[test]
    fn shows_the_version_the_build_the_pod_and_the_node() {
        let host = TestHost::with([("version", "v9"), ("pod_name", "pod-1"), ("node_name", "node-1")]);
        let response = host.get("/version");
        let expected = json!({
            "version": "v9",
            "crate_version": env!("CARGO_PKG_VERSION"),
            "git_commit": env!("HTTPSERVER_GIT_COMMIT"),
            "pod_name": "pod-1",
            "node_name": "node-1",
        });
        assert_eq!(serde_json::from_str::<Value>(response.body()).unwrap(), expected);
        assert_eq!((response.field("content-type"), response.field("version")), ("application/json", "v9"));
    }
}
