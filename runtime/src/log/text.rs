//! The text of the runtime's own lines. It may quote a client or an image, so it must not end a line or control a terminal.

use std::fmt::{Arguments, Write};

use log_escape::must_be_escaped;

/// How each line of the runtime begins, so that nobody takes it for the guest's.
const PREFIX: &str = "httpserver: ";

/// The longest line, bytes: what one write to a pipe keeps together (PIPE_BUF).
const LONGEST: usize = 4096;

/// The end of a line that is cut.
const CUT: &str = "…";

/// One whole line.
pub(super) fn line(message: Arguments<'_>) -> String {
    let mut line = format!("{PREFIX}{}", escape(&message.to_string()));
    if line.len() >= LONGEST {
        line.truncate(line.floor_char_boundary(LONGEST - CUT.len() - 1));
        line.push_str(CUT);
    }
    line.push('\n');
    line
}

/// `text` on one line: its words with one space between them, and nothing that controls a terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    escape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Writes characters that a log must not have as Rust does in a string.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if must_be_escaped(character) {
            // It cannot fail: a String takes everything.
            let _ = write!(escaped, "{}", character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let cases = [
            ("plain é✓🦀 \"\\", "plain é✓🦀 \"\\"),
            ("a\r\nhttpserver: b", "a\\r\\nhttpserver: b"),
            ("\u{1b}[31m\0\u{7f}", "\\u{1b}[31m\\u{0}\\u{7f}"),
            ("\u{85}\u{9b}31m", "\\u{85}\\u{9b}31m"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
        ];
        for (text, expected) in cases {
            assert_eq!(line(format_args!("{text}")), format!("httpserver: {expected}\n"));
        }
    }

    #[test]
    fn text_on_one_line_keeps_its_words() {
        assert_eq!(one_line(" two\n  lines,\u{2028}\u{1b}[31mred\n"), "two lines, \\u{1b}[31mred");
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        for length in LONGEST - 30..LONGEST {
            let line = line(format_args!("{}", "é".repeat(length)));
            assert!(line.len() <= LONGEST && line.len() > LONGEST - 8 && line.ends_with("é…\n"), "{length}");
        }
        let longest = "x".repeat(LONGEST - PREFIX.len() - 1);
        assert_eq!(line(format_args!("{longest}")), format!("{PREFIX}{longest}\n"));
    }
}
