//! Links and paths lead somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::document::{self, Document};

/// Whether `target` is there, as `document` links to it.
fn leads_somewhere(document: &Document, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(&document.path).parent().expect("a file is in a folder");
    let path = if path.is_empty() { PathBuf::from(&document.path) } else { simplified(&folder.join(path)) };
    let Some(anchor) = anchor else { return path.exists() };
    let path = path.to_str().expect("it comes from text");
    path.ends_with(".md") && Path::new(path).is_file() && Document::read(path).anchors().contains(anchor)
}

/// Without `..`: a folder that is not there has no parent on the disk.
fn simplified(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, component| {
        if component == Component::ParentDir {
            path.pop()
        } else {
            path.push(component);
            true
        };
        path
    })
}

/// Whether `text` is meant as a path in this repository: it begins with one of its folders.
fn is_path(text: &str, folders: &BTreeSet<String>) -> bool {
    let ordinary = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    text.split_once('/').is_some_and(|(first, _)| folders.contains(first)) && text.chars().all(ordinary)
}

fn folders() -> BTreeSet<String> {
    document::files().iter().filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect()
}

#[test]
fn every_relative_link_has_a_target() {
    let mut dead = Vec::new();
    for document in document::all() {
        let links = document.links();
        let relative = links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
        dead.extend(
            relative.filter(|link| !leads_somewhere(&document, link)).map(|link| (document.path.clone(), link.clone())),
        );
    }
    assert!(dead.is_empty(), "links without a target: {dead:#?}");
}

#[test]
fn every_named_path_exists() {
    let folders = folders();
    let mut missing = Vec::new();
    for document in document::all() {
        let own = Path::new(&document.path).parent().expect("a file is in a folder");
        let drawn = document.blocks("text");
        let drawn =
            drawn.iter().flat_map(|block| block.split_whitespace()).map(|word| word.trim_matches([':', ',', ';']));
        for path in document.code().iter().map(String::as_str).chain(drawn).filter(|text| is_path(text, &folders)) {
            if !Path::new(path).exists() && !own.join(path).exists() {
                missing.push((document.path.clone(), path.to_owned()));
            }
        }
    }
    assert!(missing.is_empty(), "paths that are not there: {missing:#?}");
}
