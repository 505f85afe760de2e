//! What is wrong at the start: the reason is where people look, and the exit code is not that of a lack of memory.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::bed::{Bed, IMAGE, text};
use crate::images::{import_all, of_application};
use crate::pod::Pod;

/// A component that wants what this shim does not have.
const FOREIGN: &str = r#"(component (import "wasi:keyvalue/store@0.2.0-draft2" (instance (export "open" (func)))))"#;

/// An application with one thing wrong: its name, the files of its image, what its log says.
type Wrong = (&'static str, Vec<(&'static str, Vec<u8>)>, &'static str);

/// A variable with one thing wrong: the pod's name, the variable, its value.
const VARIABLES: [(&str, &str, &str); 2] =
    [("wrong-address", "SPIN_HTTP_LISTEN_ADDR", "nowhere"), ("wrong-limit", "SPIN_MAX_INSTANCE_COUNT", "many")];

pub fn images(bed: &Bed) -> Result<String> {
    let wrong = applications()?;
    let image = |name: &str| format!("localhost/{name}:e2e");
    let images: Vec<_> = wrong.iter().map(|(name, files, _)| of_application(&image(name), files)).collect();
    import_all(bed, &images)?;
    let said = wrong
        .iter()
        .map(|(name, _, expected)| says(bed, &Pod::of_component(name, &image(name)), expected))
        .collect::<Result<Vec<_>>>()?;
    Ok(format!("exit code 1: {}", said.join("; ")))
}

fn applications() -> Result<Vec<Wrong>> {
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

pub fn environment(bed: &Bed) -> Result<String> {
    let mut said = Vec::new();
    for (name, variable, value) in VARIABLES {
        said.push(says(
            bed,
            &Pod::of_component(name, IMAGE).env(variable, value),
            &format!("invalid {variable} \"{value}\": expected"),
        )?);
    }
    said.push(address_in_use(bed)?);
    Ok(format!("exit code 1: {}", said.join("; ")))
}

/// Two components on one address, which containers of a pod share.
fn address_in_use(bed: &Bed) -> Result<String> {
    let pod = Pod::of_component("wrong-neighbour", IMAGE);
    let mut first = pod.spec()["containers"][0].clone();
    first["name"] = json!("first");
    // It stays, and is ready before the next one starts.
    first["restartPolicy"] = json!("Always");
    first["startupProbe"] = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1});
    says(bed, &pod.with("/spec/initContainers", json!([first])), "another server has that address")
}

/// Runs the pod, and returns what it has to say, which has to be `expected`.
pub fn says(bed: &Bed, pod: &Pod, expected: &str) -> Result<String> {
    let (end, log) = pod.until_ended(bed)?;
    let message = text(&end, "/message")?.trim();
    ensure!(message.contains(expected), "{}: expected {expected:?} in the termination message {message:?}", pod.name);
    ensure!(log.contains(message), "{}: expected {message:?} in the log {log:?}", pod.name);
    ensure!(end["exitCode"] == 1, "{}: exit code {}", pod.name, end["exitCode"]);
    Ok(message.to_owned())
}
