//! The command line: its errors say what was wrong, what was expected and what to type. Variables come from four places.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use test_support::tls::Identity;
use test_support::{App, artifacts};

/// Runs a command that must fail. Asserts its exit code, that stderr has each of these texts, and that stdout is empty.
#[track_caller]
fn assert_fails(app: App, code: i32, expected: &[&str]) {
    let finished = app.run();
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    for text in expected {
        assert!(finished.stderr.contains(text), "no {text:?} in {}", finished.stderr);
    }
}

/// The guest's manifest, in which `to` replaces `from`.
fn manifest_with(from: &str, to: &str) -> App {
    let manifest = App::PLAIN_MANIFEST.replace(from, to);
    assert_ne!(manifest, App::PLAIN_MANIFEST, "the manifest has no {from:?}");
    App::guest().file("spin.toml", manifest)
}

/// An application with one more variable, `greeting`.
fn with_variable(declaration: &str) -> App {
    App::guest().file("spin.toml", format!("{}\n[variables]\ngreeting = {declaration}\n", App::PLAIN_MANIFEST))
}

fn with_component(wat: &str) -> App {
    App::plain().file("component.wasm", wat::parse_str(wat).expect("valid WAT"))
}

#[test]
fn a_missing_manifest_is_named() {
    let app = App::empty();
    let path = app.folder().join("spin.toml").display().to_string();
    assert_fails(app, 1, &[&path, "--from"]);
}

#[test]
fn an_error_in_the_toml_of_a_manifest_has_its_line_and_column() {
    let app = App::empty().file("spin.toml", "spin_manifest_version = 2\n\n[application\nname = \"a\"\n");
    assert_fails(app, 1, &["spin.toml:3:13: "]);
}

#[test]
fn a_manifest_that_spin_refuses_is_refused_with_its_line() {
    let cases = [
        ("spin_manifest_version = 2", "spin_manifest_version = 3", "spin.toml:2:25: ", "\"3\": expected 2"),
        ("name = \"test-guest\"\n", "", "spin.toml:3:1: ", "name"),
        ("component = \"test-guest\"", "component = \"other\"", "spin.toml:", "other"),
        ("source = \"component.wasm\"", "source = 5", "spin.toml:10:10: ", "string"),
        (
            "source = \"component.wasm\"",
            "source = \"component.wasm\"\nvariables = { Big = \"1\" }",
            "spin.toml:11:15: ",
            "Big",
        ),
    ];
    for (from, to, place, expected) in cases {
        assert_fails(manifest_with(from, to), 1, &[place, expected]);
    }
}

#[test]
fn a_manifest_that_only_spin_can_run_is_refused_and_spin_is_named() {
    let source = "source = \"component.wasm\"";
    let after_source = [
        ("files = [\"assets\"]", "files", 11),
        ("allowed_outbound_hosts = [\"https://example.com\"]", "https://example.com", 11),
        ("key_value_stores = [\"other\"]", "invalid key-value store \"other\"", 11),
        ("sqlite_databases = [\"default\"]", "sqlite_databases", 11),
        ("ai_models = [\"llama\"]", "ai_models", 11),
        ("environment = { A = \"1\" }", "environment", 11),
        ("dependencies_inherit_configuration = true", "dependencies_inherit_configuration", 11),
        ("[component.second]\nsource = \"second.wasm\"", "second", 11),
        ("[[trigger.http]]\nroute = \"/second\"\ncomponent = \"test-guest\"", "trigger", 11),
        ("[[trigger.redis]]\nchannel = \"c\"\ncomponent = \"test-guest\"", "redis", 11),
    ];
    for (lines, expected, line) in after_source {
        let app = manifest_with(source, &format!("{source}\n{lines}"));
        assert_fails(app, 1, &[&format!("spin.toml:{line}:"), expected, "spin up"]);
    }
    // Other forms of a line that this runtime knows.
    let other_forms = [
        ("route = \"/...\"", "route = \"/api/...\"", "spin.toml:7:"),
        ("route = \"/...\"", "route = { private = true }", "spin.toml:7:"),
        ("route = \"/...\"", "route = \"/...\"\nexecutor = { type = \"wagi\" }", "spin.toml:8:"),
        (source, "source = { url = \"https://example.com/a.wasm\", digest = \"sha256:00\" }", "spin.toml:10:"),
    ];
    for (from, to, place) in other_forms {
        assert_fails(manifest_with(from, to), 1, &[place, "spin up"]);
    }
}

#[test]
fn the_error_about_a_missing_component_says_how_to_build_it() {
    assert_fails(App::plain(), 1, &["component.wasm", "test-guest", "spin build"]);
    let build = format!("{}\n[component.test-guest.build]\ncommand = \"make it\"\n", App::PLAIN_MANIFEST);
    assert_fails(App::plain().file("spin.toml", build), 1, &["component.wasm", "make it"]);
}

#[test]
fn a_file_that_is_not_a_component_is_refused() {
    let expected = ["component.wasm", "component", "wasm32-wasip2"];
    assert_fails(App::plain().file("component.wasm", "hello"), 1, &expected);
    assert_fails(App::plain().file("component.wasm", ""), 1, &expected);
    assert_fails(with_component("(module)"), 1, &expected);
}

#[test]
fn an_import_that_the_runtime_lacks_is_named_with_its_component() {
    let wat = r#"(component (import "example:greeter/greet@1.0.0" (instance (export "greet" (func)))))"#;
    assert_fails(with_component(wat), 1, &["example:greeter/greet@1.0.0", "test-guest", "component.wasm"]);
}

#[test]
fn a_component_without_an_http_handler_is_refused() {
    assert_fails(with_component("(component)"), 1, &["test-guest", "wasi:http/incoming-handler"]);
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    assert_fails(App::guest().listen(&address), 1, &[&address, "--listen"]);
}

#[test]
fn a_second_server_does_not_share_the_address_of_the_first() {
    let server = App::guest().start();
    let address = server.address().to_string();
    assert_fails(App::guest().listen(&address), 1, &[&address, "--listen"]);
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn an_address_of_another_machine_is_named() {
    // An address for documentation (RFC 5737), which no machine has.
    assert_fails(App::guest().listen("192.0.2.1:3000"), 1, &["192.0.2.1:3000", "--listen"]);
}

#[test]
fn usage_errors_exit_with_2() {
    assert_fails(App::guest().arg("--frobnicate"), 2, &["--frobnicate", "Usage"]);
    assert_fails(App::guest().listen("localhost"), 2, &["localhost", "--listen <IP:PORT>"]);
    assert_fails(
        App::guest().args(["--variable", "version"]),
        2,
        &["'version'", "expected NAME=VALUE, such as version=v9"],
    );
    assert_fails(App::guest().args(["--tls-cert", "certificate.pem"]), 2, &["--tls-key <FILE>"]);
    assert_fails(App::guest().args(["--tls-key", "key.pem"]), 2, &["--tls-cert <FILE>"]);
    assert_fails(
        App::guest().args(["--request-timeout", "soon"]),
        2,
        &["'soon'", "expected seconds, such as 30 or 0.5"],
    );
    assert_fails(App::guest().args(["--drain-timeout", "-1"]), 2, &["-1"]);
    assert_fails(App::guest().args(["--read-timeout", "0x1"]), 2, &["0x1"]);
    assert_fails(App::guest().args(["--response-timeout", "never"]), 2, &["'never'", "expected seconds"]);
    assert_fails(App::guest().args(["--metrics-listen", "9464"]), 2, &["'9464'", "--metrics-listen <IP:PORT>"]);
    assert_fails(App::guest().args(["--max-head", "100"]), 2, &["'100'", "expected bytes, 8192 to 65536"]);
    assert_fails(App::guest().args(["--min-rate", "-1"]), 2, &["-1"]);
    assert_fails(App::guest().args(["--max-store", "many"]), 2, &["many"]);
    for flag in ["--max-connections", "--max-instances", "--max-instance-memory", "--threads"] {
        assert_fails(App::guest().args([flag, "0"]), 2, &[flag]);
    }
    let bare = Command::new(artifacts::runtime()).output().expect("the program starts");
    assert_eq!(bare.status.code(), Some(2));
}

#[test]
fn a_certificate_or_key_that_cannot_be_used_is_named() {
    let app = App::guest().args(["--tls-cert", "no-certificate.pem", "--tls-key", "no-key.pem"]);
    assert_fails(app, 1, &["no-certificate.pem", "PEM"]);
    let identity = Identity::generate();
    let with_key = |app: App| app.args(["--tls-cert", "certificate.pem", "--tls-key"]).arg(identity.key());
    assert_fails(with_key(App::guest().file("certificate.pem", "hello")), 1, &["certificate.pem"]);
    let app = App::guest().arg("--tls-cert").arg(identity.certificate()).args(["--tls-key", "key.pem"]);
    assert_fails(app.file("key.pem", "hello"), 1, &["key.pem", "PEM"]);
}

#[test]
fn an_unknown_variable_is_refused_and_the_known_variables_are_named() {
    let app = with_variable("{ default = \"hi\" }").args(["--variable", "greetings=hello"]);
    assert_fails(app, 1, &["\"greetings\"", "declares: greeting"]);
}

#[test]
fn the_error_about_a_variable_without_a_value_says_how_to_set_it() {
    let expected = ["greeting", "required", "--variable greeting=", "SPIN_VARIABLE_GREETING="];
    assert_fails(with_variable("{ required = true }"), 1, &expected);
    assert_eq!(with_variable("{ required = true }").args(["--variable", "greeting=hi"]).start().get("/ok").status, 200);
}

#[test]
fn a_template_with_an_unknown_variable_is_refused() {
    let source = "source = \"component.wasm\"";
    let app = manifest_with(source, &format!("{source}\nvariables = {{ a = \"{{{{ b }}}}\" }}"));
    assert_fails(app, 1, &["invalid template \"{{ b }}\"", "\"a\"", "\"b\" is not one"]);
}

/// The header `version` of a response.
fn version(app: App) -> String {
    app.start().get("/version").header("version").expect("it is on every response").to_owned()
}

#[test]
fn a_variable_comes_from_the_command_line_else_the_environment_else_dotenv_else_its_default() {
    let dotenv = || App::shipped().file(".env", "SPIN_VARIABLE_VERSION=v-dotenv\nOTHER=1\n");
    let environment = || dotenv().env("SPIN_VARIABLE_VERSION", "v-environment");
    assert_eq!(version(App::shipped()), "dev");
    assert_eq!(version(dotenv()), "v-dotenv");
    assert_eq!(version(environment()), "v-environment");
    assert_eq!(version(environment().args(["--variable", "version=v-given"])), "v-given");
    assert_eq!(version(App::shipped().args(["--variable", "version=a=b"])), "a=b", "the first = separates");
}

#[test]
fn environment_variables_with_other_names_are_ignored() {
    assert_eq!(
        version(App::shipped().env("VERSION", "v9").env("version", "v9").env("SPIN_VARIABLE_version", "v9")),
        "dev"
    );
}

#[test]
fn templates_are_expanded() {
    let manifest = format!(
        "{}\n[component.test-guest.variables]\nversion = \"{{{{ a }}}}-{{{{b}}}}!\"\n\
         [variables]\na = {{ default = \"x\" }}\nb = {{ required = true }}\n",
        App::PLAIN_MANIFEST
    );
    let app = App::httpserver(&artifacts::component()).file("spin.toml", manifest);
    assert_eq!(version(app.args(["--variable", "b=y"])), "x-y!");
}

#[test]
fn the_environment_can_set_the_address() {
    let server = App::guest().listen_by_environment("127.0.0.1:0").start();
    assert_eq!(server.get("/ok").text(), "ok");
}

#[test]
fn the_server_prints_its_address_and_routes_at_start() {
    let server = App::guest().start();
    let url = format!("http://{}", server.address());
    assert_eq!(server.stderr.line_with("Serving"), format!("Serving {url}"));
    assert!(server.stderr.line_with("test-guest").contains(&url));
    assert_eq!(server.stdout.lines(), [""; 0], "stdout is the guest's");
}

/// Path and text of each file in a folder and below.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    let file = |path: &Path| (path.display().to_string(), fs::read_to_string(path).expect("our own text"));
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![file(&path)] }).collect()
}

#[test]
fn every_flag_has_a_refused_value_here_and_every_limit_has_a_test() {
    /// These are no limits: this file alone tests them.
    const PLAIN: [&str; 3] = ["--from", "--listen", "--variable"];
    let help = Command::new(artifacts::runtime()).args(["up", "--help"]).output().expect("the program starts");
    let help = String::from_utf8(help.stdout).expect("help is text");
    let flags: Vec<_> = help.split_whitespace().filter(|word| word.starts_with("--") && *word != "--help").collect();
    assert!(flags.len() > PLAIN.len(), "{help}");
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        sources("tests".as_ref()).into_iter().partition(|(path, _)| path.ends_with("cli.rs"));
    let uses = |all: &[(String, String)], flag: &str| {
        let ends = |rest: &str| !rest.starts_with(|next: char| next == '-' || next.is_ascii_alphanumeric());
        all.iter().any(|(_, text)| text.match_indices(flag).any(|(place, _)| ends(&text[place + flag.len()..])))
    };
    for flag in flags {
        assert!(uses(&here, flag), "runtime/tests/cli.rs has no case with a refused value of {flag}");
        assert!(PLAIN.contains(&flag) || uses(&elsewhere, flag), "no file in runtime/tests tests {flag}");
    }
}
