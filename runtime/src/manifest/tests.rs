use std::path::Path;

use super::Manifest;

const WHOLE: &str = r#"
spin_manifest_version = 2

[application]
name = "app"
version = "1.2.3"
description = "…"
authors = ["someone"]

[variables]
version = { default = "dev" }
token = { required = true, secret = true }

[[trigger.http]]
route = "/..."
component = "app"

[component.app]
source = "app.wasm"
allowed_outbound_hosts = []
key_value_stores = ["default"]

[component.app.variables]
version = "{{ version }}"

[component.app.build]
command = "make"
watch = ["src/**"]
"#;

fn error(text: &str) -> String {
    Manifest::parse(text, Path::new("")).unwrap_err().in_file(Path::new("spin.toml"), text).to_string()
}

fn error_with(from: &str, to: &str) -> String {
    assert!(WHOLE.contains(from), "the test replaces `{from}`, which is not there");
    error(&WHOLE.replace(from, to))
}

#[test]
fn every_part_of_a_manifest_is_read() {
    let manifest = Manifest::parse(WHOLE, Path::new("folder")).map_err(|problem| problem.message).unwrap();
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str(), manifest.component.as_str()),
        ("app", "1.2.3", "app")
    );
    assert_eq!(manifest.source, Path::new("folder/app.wasm"));
    assert_eq!(manifest.build_command.as_deref(), Some("make"));
    assert_eq!(manifest.variables["version"].default.as_deref(), Some("dev"));
    assert!(manifest.variables["token"].required);
    assert_eq!(manifest.templates["version"], "{{ version }}");
    assert!(manifest.uses_store);
}

#[test]
fn without_its_name_there_is_no_store() {
    for without in ["", "key_value_stores = []"] {
        let text = WHOLE.replace("key_value_stores = [\"default\"]", without);
        let manifest = Manifest::parse(&text, Path::new("")).map_err(|problem| problem.message).unwrap();
        assert!(!manifest.uses_store);
    }
}

#[test]
fn an_error_of_toml_has_line_and_column() {
    assert!(
        error("spin_manifest_version = 2\nname = \n").starts_with("spin.toml:2:8: "),
        "{}",
        error("a = 1\nname = \n")
    );
}

#[test]
fn what_only_spin_has_is_refused_with_its_line() {
    for (from, to, place, found) in [
        ("allowed_outbound_hosts = []", "files = []", "spin.toml:20:1", "unknown field `files`"),
        (
            "key_value_stores = [\"default\"]",
            "key_value_stores = [\"default\", \"other\"]",
            "spin.toml:21:32",
            "invalid key-value store \"other\": expected \"default\"; ",
        ),
        (
            "allowed_outbound_hosts = []",
            "allowed_outbound_hosts = [\"https://a.b\"]",
            "spin.toml:20:27",
            "invalid outbound host \"https://a.b\": expected none; ",
        ),
        (
            "source = \"app.wasm\"",
            "source = \"app.wasm\"\n[component.b]\nsource = \"b\"",
            "spin.toml:20:12",
            "invalid component \"b\": expected only the trigger's, \"app\"; ",
        ),
        ("[[trigger.http]]", "[[trigger.redis]]\n[[trigger.http]]", "spin.toml:14:11", "unknown field `redis`"),
        ("\"/...\"", "\"/api\"", "spin.toml:15:9", "invalid route \"/api\": expected \"/...\"; "),
    ] {
        let error = error_with(from, to);
        assert!(error.starts_with(place) && error.contains(found) && error.contains("spin up"), "{to}: {error}");
    }
}

#[test]
fn a_manifest_that_spin_does_not_accept_is_refused_with_its_line() {
    for (from, to, place, found) in [
        (
            "spin_manifest_version = 2",
            "spin_manifest_version = 1",
            "spin.toml:2:25",
            "invalid spin_manifest_version \"1\": expected 2",
        ),
        ("component = \"app\"", "component = \"other\"", "spin.toml:18:12", "expected only the trigger's, \"other\"; "),
        ("token =", "Token =", "spin.toml:12:1", "invalid name of a variable \"Token\": expected a lower-case letter"),
    ] {
        let error = error_with(from, to);
        assert!(error.starts_with(place) && error.contains(found), "{to}: {error}");
    }
}
