//! Input: a `spin.toml`. It is valid, or the error names the file and a place in it.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../../../runtime/src"]
mod runtime {
    #[allow(dead_code, reason = "the rest is the runtime's")]
    pub mod manifest;
}

use std::path::Path;

use runtime::manifest::Manifest;

target!(check);

fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match Manifest::from_text(text, Path::new("/app/spin.toml")) {
        Ok(manifest) => {
            let names = manifest.variables.keys().chain(manifest.templates.keys());
            assert!(
                names.into_iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
            );
        }
        Err(error) => {
            let error = error.to_string();
            let place = error.strip_prefix("/app/spin.toml:").expect("it names the file");
            let (line, rest) = place.split_once(':').expect("it has a line");
            let (column, _) = rest.split_once(": ").expect("it has a column");
            let line: usize = line.parse().expect("a number");
            let longest = text.split('\n').nth(line - 1).expect("that line is there").chars().count();
            assert!((1..=longest + 1).contains(&column.parse().expect("a number")), "{error}");
        }
    }
}
