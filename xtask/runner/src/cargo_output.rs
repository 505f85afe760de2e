//! What cargo prints while it works: its progress, and what is worth showing if it fails.

use std::process::Command;

/// Makes cargo print its progress also where its output is a pipe, and nothing in colour.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("CARGO_TERM_QUIET", "false"),
    ("CARGO_TERM_COLOR", "never"),
    ("CARGO_TERM_PROGRESS_WHEN", "always"),
    // Wide enough for the names of a few crates.
    ("CARGO_TERM_PROGRESS_WIDTH", "120"),
];

/// How cargo begins a line that only says what it does.
const VERBS: [&str; 16] = [
    "Adding",
    "Blocking",
    "Building",
    "Checking",
    "Compiling",
    "Documenting",
    "Downloaded",
    "Downloading",
    "Executable",
    "Finished",
    "Fresh",
    "Generated",
    "Installing",
    "Locking",
    "Running",
    "Updating",
];

/// How far cargo is.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It has not printed anything yet, or the command is another program.
    #[default]
    Unknown,
    /// Another cargo uses the target folder or the package cache.
    Waiting,
    /// It downloads crates or an index.
    Downloading,
    /// It compiles.
    Building {
        /// How many crates are done.
        done: usize,
        /// Of how many.
        total: usize,
        /// What is compiling: `wasmtime, ring(build)`.
        current: String,
    },
}

/// Reads cargo's standard error as it comes.
#[derive(Default)]
pub struct CargoOutput {
    /// The beginning of a line that is not complete.
    pending: Vec<u8>,
    status: Status,
    messages: Vec<u8>,
}

impl CargoOutput {
    /// Whether `command` is cargo, whose progress can be read.
    pub fn is_from(command: &Command) -> bool {
        let program = std::path::Path::new(command.get_program()).file_name();
        program.is_some_and(|name| name == "cargo" || name == "cargo-clippy")
    }

    /// Makes `command` print what this reads.
    pub fn prepare(command: &mut Command) {
        command.envs(ENVIRONMENT);
    }

    /// Takes the next part of the output.
    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                // What ends with it is overwritten on a terminal.
                b'\r' => {
                    let line = std::mem::take(&mut self.pending);
                    self.line(&line, false);
                }
                b'\n' => {
                    let line = std::mem::take(&mut self.pending);
                    self.line(&line, true);
                }
                _ => self.pending.push(*byte),
            }
        }
    }

    /// How far cargo is.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What the compiler and cargo said beyond their progress: warnings and errors, whole.
    pub fn messages(mut self) -> Vec<u8> {
        self.messages.append(&mut self.pending);
        self.messages
    }

    fn line(&mut self, line: &[u8], complete: bool) {
        let text = String::from_utf8_lossy(line);
        let verb = text.trim_start().split(' ').next().unwrap_or_default();
        // Cargo puts its verbs at the end of twelve columns.
        if VERBS.contains(&verb) && text.starts_with(&format!("{verb:>12} ")) {
            match verb {
                "Blocking" => self.status = Status::Waiting,
                "Downloading" | "Updating" | "Downloaded" => self.status = Status::Downloading,
                "Building" => self.status = building(&text).unwrap_or_default(),
                _ => {}
            }
        } else if complete {
            self.messages.extend_from_slice(line);
            self.messages.push(b'\n');
        }
    }
}

/// Reads `    Building [===>       ] 20/113: typenum, darling_core`.
fn building(line: &str) -> Option<Status> {
    let (_, rest) = line.split_once("] ")?;
    let (count, current) = rest.split_once(": ").unwrap_or((rest, ""));
    let (done, total) = count.trim().split_once('/')?;
    Some(Status::Building { done: done.parse().ok()?, total: total.parse().ok()?, current: current.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from cargo 1.95 with a pipe as its standard error.
    const WAITS_THEN_FAILS: &str = "    Blocking waiting for file lock on artifact directory
   Compiling demo v0.1.0 (/tmp/demo)
    Building [========>                    ] 1/3: demo(build)                        \r    Building [==================>          ] 2/3: demo(bin)                          \rerror[E0425]: cannot find function `undefined` in this scope
 --> src/main.rs:1:29
  |
1 | fn main() { let unused = 1; undefined(); }
  |                             ^^^^^^^^^ not found in this scope

For more information about this error, try `rustc --explain E0425`.
error: could not compile `demo` (bin \"demo\") due to 1 previous error
";

    fn status_after(text: &str) -> Status {
        let mut output = CargoOutput::default();
        output.read(text.as_bytes());
        output.status
    }

    #[test]
    fn the_status_follows_cargo() {
        let (first, _) = WAITS_THEN_FAILS.split_once("   Compiling").unwrap();
        assert_eq!(status_after(first), Status::Waiting);
        let current = "demo(bin)".to_owned();
        assert_eq!(status_after(WAITS_THEN_FAILS), Status::Building { done: 2, total: 3, current });
        let downloading = "  Downloading 3 crates\n Downloading 3 crates, remaining bytes: 1.2MiB\r";
        assert_eq!(status_after(downloading), Status::Downloading);
        assert_eq!(status_after(""), Status::Unknown);
    }

    #[test]
    fn several_crates_at_once_are_named() {
        let line = "    Building [=====>           ] 120/233: wasmtime, ring(build)        \r";
        let current = "wasmtime, ring(build)".to_owned();
        assert_eq!(status_after(line), Status::Building { done: 120, total: 233, current });
    }

    #[test]
    fn errors_are_kept_whole_and_progress_is_not() {
        // In parts of any size.
        for size in [1, 7, 1000] {
            let mut output = CargoOutput::default();
            WAITS_THEN_FAILS.as_bytes().chunks(size).for_each(|chunk| output.read(chunk));
            let (_, expected) = WAITS_THEN_FAILS.rsplit_once('\r').unwrap();
            assert_eq!(String::from_utf8(output.messages()).unwrap(), expected);
        }
    }

    #[test]
    fn an_error_without_a_line_break_at_its_end_is_kept() {
        let mut output = CargoOutput::default();
        output.read(b"error: no such command");
        assert_eq!(output.messages(), b"error: no such command");
    }

    #[test]
    fn only_cargo_is_read_as_cargo() {
        assert!(CargoOutput::is_from(&Command::new("/usr/bin/cargo")));
        assert!(!CargoOutput::is_from(&Command::new("/home/cargo/go")));
    }
}
