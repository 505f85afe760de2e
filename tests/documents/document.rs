//! A Markdown file of this repository, and what a check wants of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A Markdown file; its path is relative to the root, where cargo starts these tests.
pub struct Document {
    pub path: String,
    text: String,
}

/// The paths of all files that are, or would be, tracked by git.
pub fn files() -> Vec<String> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).output().expect("git runs");
    assert!(output.status.success(), "{output:?}");
    let paths = String::from_utf8(output.stdout).expect("our own names are UTF-8");
    // A file that was removed stays in the index until the removal is staged.
    paths.split_terminator('\0').filter(|path| Path::new(path).exists()).map(str::to_owned).collect()
}

/// All Markdown files.
pub fn all() -> Vec<Document> {
    files().iter().filter(|path| path.ends_with(".md")).map(|path| Document::read(path)).collect()
}

impl Document {
    pub fn read(path: &str) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path: path.to_owned(), text }
    }

    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    fn events(&self) -> Parser<'_> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    /// The targets of all links.
    pub fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
            _ => None,
        };
        self.events().filter_map(target).collect()
    }

    /// All code within sentences and tables.
    pub fn code(&self) -> Vec<String> {
        let code = |event| if let Event::Code(code) = event { Some(code.to_string()) } else { None };
        self.events().filter_map(code).collect()
    }

    /// The blocks of code that are marked as of that language.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut inside = false;
        for event in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(marked))) if *marked == *language => {
                    inside = true;
                    blocks.push(String::new());
                }
                Event::End(TagEnd::CodeBlock) => inside = false,
                Event::Text(text) if inside => blocks.last_mut().expect("a block began").push_str(&text),
                _ => {}
            }
        }
        blocks
    }

    /// What a link to a heading may have after `#`, as GitHub makes it.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for heading in self.headings() {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
            let anchor: String = kept.collect::<String>().to_lowercase().replace(' ', "-");
            let again = (1..).map(|number| format!("{anchor}-{number}"));
            let mut candidates = std::iter::once(anchor.clone()).chain(again);
            anchors.insert(candidates.find(|candidate| !anchors.contains(candidate)).expect("numbers do not end"));
        }
        anchors
    }

    fn headings(&self) -> Vec<String> {
        let mut headings = Vec::new();
        let mut heading = None;
        for event in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
                Event::Text(text) | Event::Code(text) => heading.iter_mut().for_each(|heading| heading.push_str(&text)),
                _ => {}
            }
        }
        headings
    }

    /// All code in the columns of tables that have this heading.
    pub fn code_of_columns(&self, heading: &str) -> Vec<String> {
        let (mut found, mut headings, mut column, mut in_head) = (Vec::new(), Vec::<String>::new(), 0, false);
        for event in self.events() {
            match event {
                Event::Start(Tag::TableHead) => {
                    (in_head, column) = (true, 0);
                    headings.clear();
                }
                Event::End(TagEnd::TableHead) => in_head = false,
                Event::Start(Tag::TableRow) => column = 0,
                Event::Start(Tag::TableCell) if in_head => headings.push(String::new()),
                Event::Text(text) if in_head => headings.iter_mut().rev().take(1).for_each(|head| head.push_str(&text)),
                Event::Code(code) if !in_head && headings.get(column).is_some_and(|head| head == heading) => {
                    found.push(code.to_string());
                }
                Event::End(TagEnd::TableCell) => column += 1,
                _ => {}
            }
        }
        found
    }

    /// The rows of the first table below that heading, without its head; each cell as text.
    #[track_caller]
    pub fn table(&self, below: &str) -> Vec<Vec<String>> {
        let (mut rows, mut heading, mut found) = (Vec::<Vec<String>>::new(), None, false);
        for event in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => found |= heading.take().is_some_and(|heading| heading == below),
                Event::Text(text) | Event::Code(text) if heading.is_some() => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&text));
                }
                Event::End(TagEnd::Table) if found => return rows,
                Event::Start(Tag::TableRow) if found => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => rows.iter_mut().rev().take(1).for_each(|row| row.push(String::new())),
                Event::Text(text) | Event::Code(text) => {
                    let cell = rows.last_mut().and_then(|row| row.last_mut());
                    cell.into_iter().for_each(|cell| cell.push_str(&text));
                }
                _ => {}
            }
        }
        panic!("{} has no table below the heading {below:?}", self.path)
    }
}
