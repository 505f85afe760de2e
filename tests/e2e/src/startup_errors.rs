//! Errors at the start: the reason is in the termination message and in the log, and the exit code is 1, which is not that of a
//! lack of memory.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::images::{application, import_all};
use crate::pod::Pod;
use crate::testbed::{IMAGE, Testbed, text};

/// A component with an import that the shim does not have.
const FOREIGN: &str = r#"(component (import "wasi:keyvalue/store@0.2.0-draft2" (instance (export "open" (func)))))"#;

/// An application with an error: its name, the files of its image, a part of the message.
type Faulty = (&'static str, Vec<(&'static str, Vec<u8>)>, &'static str);

/// An environment variable with a bad value: the pod's name, the variable, the value.
const VARIABLES: [(&str, &str, &str); 2] =
    [("wrong-address", "SPIN_HTTP_LISTEN_ADDR", "nowhere"), ("wrong-limit", "SPIN_MAX_INSTANCE_COUNT", "many")];

/// Images with an error in a file.
pub fn images(testbed: &Testbed) -> Result<String> {
    let faulty = applications()?;
    let image = |name: &str| format!("localhost/{name}:e2e");
    let images: Vec<_> = faulty.iter().map(|(name, files, _)| application(&image(name), files)).collect();
    import_all(testbed, &images)?;
    let messages = faulty
        .iter()
        .map(|(name, _, expected)| fails_with(testbed, &Pod::for_component(name, &image(name)), expected))
        .collect::<Result<Vec<_>>>()?;
    Ok(format!("exit code 1: {}", messages.join("; ")))
}

fn applications() -> Result<Vec<Faulty>> {
    let manifest = |more: &str| format!("{}{more}", test_support::App::PLAIN_MANIFEST).into_bytes();
    let required = "[variables]\nregion = { required = true }\n";
    Ok(vec![
        ("without-manifest", vec![("readme", b"nothing to serve".to_vec())], "the image has no /spin.toml"),
        ("without-toml", vec![("spin.toml", b"spin_manifest_version = ".to_vec())], "/spin.toml"),
        ("without-component", vec![("spin.toml", manifest(""))], "`/component.wasm`, which is not in the image"),
        (
            "without-value",
            vec![("spin.toml", manifest(required)), ("component.wasm", wat::parse_str("(component)")?)],
            "`region` is required and has no value",
        ),
        (
            "foreign-import",
            vec![("spin.toml", manifest("")), ("component.wasm", wat::parse_str(FOREIGN)?)],
            "wasi:keyvalue/store",
        ),
    ])
}

/// Pods with an error in the environment.
pub fn environment(testbed: &Testbed) -> Result<String> {
    let mut messages = Vec::new();
    for (name, variable, value) in VARIABLES {
        messages.push(fails_with(
            testbed,
            &Pod::for_component(name, IMAGE).env(variable, value),
            &format!("invalid {variable} \"{value}\": expected"),
        )?);
    }
    messages.push(address_in_use(testbed)?);
    Ok(format!("exit code 1: {}", messages.join("; ")))
}

/// Two components that listen on one address: the containers of a pod share the network.
fn address_in_use(testbed: &Testbed) -> Result<String> {
    let pod = Pod::for_component("wrong-neighbour", IMAGE);
    let mut first = pod.spec()["containers"][0].clone();
    first["name"] = json!("first");
    // A sidecar: it keeps running, and is ready before the next container starts.
    first["restartPolicy"] = json!("Always");
    first["startupProbe"] = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1});
    fails_with(testbed, &pod.with("/spec/initContainers", json!([first])), "another server has that address")
}

/// Runs the pod, which must end with exit code 1, and returns its termination message, which must contain `expected`.
pub fn fails_with(testbed: &Testbed, pod: &Pod, expected: &str) -> Result<String> {
    let (end, log) = pod.until_ended(testbed)?;
    let message = text(&end, "/message")?.trim();
    ensure!(message.contains(expected), "{}: expected {expected:?} in the termination message {message:?}", pod.name);
    ensure!(log.contains(message), "{}: expected {message:?} in the log {log:?}", pod.name);
    ensure!(end["exitCode"] == 1, "{}: exit code {}", pod.name, end["exitCode"]);
    Ok(message.to_owned())
}
