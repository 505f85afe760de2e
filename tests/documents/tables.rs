//! Tables of the documents against what they describe.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use regex::Regex;
use serde_json::Value;
use test_support::{artifacts, variables};

use crate::document::{self, Document};

/// The longest README, lines: it is for a first visit.
const README_LINES: usize = 120;

/// The operations of OpenAPI; a path that has all of them takes any method.
const OPERATIONS: [&str; 8] = ["delete", "get", "head", "options", "patch", "post", "put", "trace"];

/// Path and methods of each route, as `/openapi.json` has them; its own unit test compares it with the router.
pub fn routes() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string("src/handlers/openapi.json").expect("the description of the routes");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let methods = |item: &Value| {
        // The description also has a method that a route refuses.
        let is_served = |operation: &&&str| {
            item[**operation]["responses"].as_object().is_some_and(|all| all.keys().any(|status| status != "405"))
        };
        let operations = OPERATIONS.iter().filter(is_served);
        operations.map(|operation| operation.to_uppercase()).collect()
    };
    let paths = document["paths"].as_object().expect("an object");
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

fn readme() -> Document {
    Document::read("README.md")
}

/// The first column of the table below that heading.
#[track_caller]
fn names(document: &str, below: &str) -> BTreeSet<String> {
    Document::read(document).table(below).into_iter().map(|mut row| row.remove(0)).collect()
}

/// The names of what is in a folder of this repository.
fn entries(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder of this repository");
    entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let is_source = |path: &String| path.ends_with(".rs") || path.ends_with("contract.toml");
    let sources: Vec<_> = document::files().into_iter().filter(is_source).collect();
    let sources: String =
        sources.iter().map(|path| fs::read_to_string(path).expect("a file of this repository")).collect();
    let named = Document::read("docs/security.md").code_of_columns("test");
    assert!(named.len() > 50, "only {} tests were found", named.len());
    for test in named {
        // A path is checked with all others.
        assert!(
            test.contains('/') && document::files().contains(&test) || sources.contains(&test),
            "there is no test {test}"
        );
    }
}

#[test]
fn the_readme_is_short() {
    assert!(readme().lines() <= README_LINES, "{} lines", readme().lines());
}

#[test]
fn the_readme_has_the_routes() {
    let any: BTreeSet<_> = OPERATIONS.map(str::to_uppercase).into();
    let methods = |text: &str| if text == "any" { any.clone() } else { text.split(", ").map(str::to_owned).collect() };
    let path = |text: &str| text.split(',').next().unwrap_or_default().to_owned();
    let told: BTreeMap<_, _> = readme().table("Routes").iter().map(|row| (path(&row[0]), methods(&row[1]))).collect();
    assert_eq!(told, routes());
}

#[test]
fn the_readme_has_the_variables() {
    let default = |text: &str| if text == "empty" { String::new() } else { text.to_owned() };
    let table = readme().table("Variables");
    let told: BTreeMap<_, _> = table.iter().map(|row| (row[0].clone(), default(&row[1]))).collect();
    assert_eq!(told, variables::for_operators());
}

#[test]
fn the_readme_has_the_folders() {
    let visible = |path: &String| Some(path.split_once('/')?.0.to_owned()).filter(|folder| !folder.starts_with('.'));
    let folders: BTreeSet<_> = document::files().iter().filter_map(visible).map(|folder| folder + "/").collect();
    assert_eq!(names("README.md", "What is where"), folders);
}

#[test]
fn the_runtimes_page_has_its_flags() {
    let help = Command::new(artifacts::runtime()).args(["up", "--help"]).env_clear().output().expect("it starts");
    let help = String::from_utf8(help.stdout).expect("help is text");
    let flag = Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+) <").expect("a valid pattern");
    let rest = |name: &str, line: &str| {
        let found = Regex::new(&format!(r"\[{name}[:=] ?([^\]]*?)=?\]")).expect("a valid pattern").captures(line);
        found.map_or_else(String::new, |found| found[1].to_owned())
    };
    let flags = help.lines().filter_map(|line| Some((flag.captures(line)?[1].to_owned(), line)));
    let flags: BTreeMap<_, _> = flags.map(|(name, line)| (name, (rest("env", line), rest("default", line)))).collect();
    let row = |row: &Vec<String>| {
        let name = row[0].split(',').next().unwrap_or_default().to_owned();
        // clap does not know this variable: its name depends on the application's variable.
        let environment = if name == "--variable" { String::new() } else { row[1].clone() };
        (name, (environment, row[2].clone()))
    };
    let told: BTreeMap<_, _> = Document::read("runtime/README.md").table("Start and stop").iter().map(row).collect();
    assert_eq!(told, flags);
}

#[test]
fn the_shims_page_has_every_environment_variable() {
    let source = fs::read_to_string("shim/src/environment.rs").expect("the shim's settings");
    let quoted = Regex::new(r#""((?:SPIN|HTTPSERVER)_[A-Z_]+)""#).expect("a valid pattern");
    let read: BTreeSet<_> = quoted.captures_iter(&source).map(|found| found[1].to_owned()).collect();
    let told = names("shim/README.md", "What an image and its pod say");
    assert!(read.len() > 3 && read.is_subset(&told), "read: {read:?}\ntold: {told:?}");
}

#[test]
fn the_manifests_page_has_the_overlays_and_components() {
    assert_eq!(names("manifests/README.md", "Overlays"), entries("manifests/overlays"));
    assert_eq!(names("manifests/README.md", "Components"), entries("manifests/components"));
}
