//! What the documents show as the output of a command, against what comes out of it.
//!
//! A block marked `console` has lines `$ COMMAND`, each followed by its output. The commands run: `curl` asks a server that is
//! started for it, and `cargo xtask up` is that server, whose output has these lines among others; a line `…` stands for
//! lines that are left out. What differs from run to run does not count.

use std::process::Command;

use regex::{Captures, Regex};
use test_support::{App, Server, artifacts};

use crate::document::{self, Document};

/// Where the server of the documents listens.
const ADDRESS: &str = "localhost:3000";

/// A command, and the lines that it is shown to print.
struct Shown {
    command: String,
    output: Vec<String>,
}

fn shown(document: &Document) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in document.blocks("console").iter().flat_map(|block| block.lines()) {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push(Shown { command: command.to_owned(), output: Vec::new() }),
            (None, Some(shown)) => shown.output.push(line.to_owned()),
            (None, None) => panic!("{}: a console block begins with `$ COMMAND`, not with {line:?}", document.path),
        }
    }
    all
}

/// `text` without what differs from run to run: times, ports, the commit, curl's version.
fn normalized(text: &str) -> String {
    let volatile = Regex::new(
        r#"(?m)(\d{4}-\d\d-\d\dT[\d:.]+Z)|((?:^date: ).* GMT)|((?:localhost|127\.0\.0\.1):\d+)|("git_commit":"[^"]*")|("duration_ms":[\d.]+)|(curl/[\d.]+)"#,
    );
    let names = ["TIME", "DATE", "ADDRESS", "COMMIT", "DURATION", "CURL"];
    let name = |found: &Captures| {
        let kind = (1..).zip(names).find(|(group, _)| found.get(*group).is_some());
        kind.map_or_else(String::new, |(_, name)| name.to_owned())
    };
    volatile.expect("a valid pattern").replace_all(&text.replace('\r', ""), name).trim_end().to_owned()
}

/// Runs the command as a person would type it, but against `server`, and without curl's progress.
fn curl(server: &Server, command: &str) -> String {
    let quiet = command.replacen("curl", "curl --silent --show-error --noproxy '*'", 1);
    let command = quiet.replace(ADDRESS, &server.address().to_string());
    let output = Command::new("sh").arg("-c").arg(&command).output().expect("there is a shell");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether the server printed `line`, or prints it soon.
fn printed(server: &Server, line: &str) -> bool {
    let expected = normalized(line);
    let found = |lines: &[String]| lines.iter().any(|line| normalized(line) == expected).then_some(());
    // The runtime's own lines are there when it serves; only the component's may still be on their way.
    found(&server.stderr.lines()).or_else(|| server.stdout.wait_for(found)).is_some()
}

#[test]
fn commands_print_what_the_documents_show() {
    let mut commands = 0;
    for document in document::all() {
        let shown = shown(&document);
        if shown.is_empty() {
            continue;
        }
        commands += shown.len();
        let server = App::shipped().start();
        let (of_server, asked): (Vec<_>, Vec<_>) = shown.iter().partition(|shown| shown.command == "cargo xtask up");
        for Shown { command, output } in asked {
            assert!(command.starts_with("curl "), "{}: mark `{command}` as sh: it cannot run here", document.path);
            let (told, came) = (normalized(&output.join("\n")), normalized(&curl(&server, command)));
            assert_eq!(told, came, "{}: the output of `{command}`", document.path);
        }
        for line in of_server.iter().flat_map(|shown| &shown.output).filter(|line| *line != "…") {
            assert!(printed(&server, line), "{}: `cargo xtask up` did not print {line}", document.path);
        }
    }
    assert!(commands >= 5, "only {commands} commands were found: are the blocks marked `console`?");
}

#[test]
fn the_overlay_of_the_manifests_page_can_be_rendered() {
    let blocks = Document::read("manifests/README.md").blocks("yaml");
    let [overlay] = &blocks[..] else { panic!("one overlay, not {}", blocks.len()) };
    // Two folders deep as well, but in `target`: what a kustomization refers to must have a relative path.
    let overlay = overlay.replace("../../", "../../manifests/");
    let folder = tempfile::tempdir_in("target").expect("cargo made the folder");
    std::fs::write(folder.path().join("kustomization.yaml"), overlay).expect("a temporary folder takes files");
    let output = Command::new(artifacts::tool("kustomize")).arg("build").arg(folder.path()).output().expect("it runs");
    let rendered = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "image: registry.example.com/httpserver:v1\n",
        "host: httpserver.example.com\n",
        "SPIN_VARIABLE_VERSION: v1\n",
        "SPIN_VARIABLE_LOG: json:warn\n",
        "SPIN_VARIABLE_TRUSTED_HOPS: \"1\"\n",
        "app.kubernetes.io/version: v1\n",
    ] {
        assert!(rendered.contains(expected), "no {expected:?} in\n{rendered}");
    }
}
