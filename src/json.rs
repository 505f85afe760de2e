//! Writes the JSON (RFC 8259) of the responses and the log.
//!
//! It is not serde_json, for two reasons. serde_json does not escape the control characters U+007F to U+009F, and terminals obey
//! one of them (CSI). And it would make the component a fifth larger.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use log_escape::must_be_escaped;

/// An object under construction. Its members keep their order.
#[derive(Default)]
pub struct Object(String);

impl Object {
    /// Adds a string.
    pub fn string(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        push_string(&mut self.0, value);
        self
    }

    /// Adds a string, or `null`.
    pub fn nullable(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.string(name, value),
            None => self.raw(name, "null"),
        }
    }

    /// Adds a value whose text is JSON: a number or `null`.
    pub fn raw(mut self, name: &str, value: impl Display) -> Self {
        self.name(name);
        push_display(&mut self.0, value);
        self
    }

    /// Adds an array of strings.
    pub fn strings<'a>(mut self, name: &str, values: impl Iterator<Item = &'a str>) -> Self {
        self.name(name);
        let mut separator = '[';
        for value in values {
            self.0.push(separator);
            push_string(&mut self.0, value);
            separator = ',';
        }
        self.0.push_str(if separator == '[' { "[]" } else { "]" });
        self
    }

    /// The object as text.
    pub fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_string(&mut self.0, name);
        self.0.push(':');
    }
}

/// Appends a JSON string. Escapes quotes, backslashes, control characters and line separators.
pub fn push_string(out: &mut String, value: &str) {
    out.push('"');
    let (plain, rest) = value.split_at(plain_len(value));
    out.push_str(plain);
    for character in rest.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ if must_be_escaped(character) => push_display(out, format_args!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// The value, if its escaped form has at most `limit` bytes. If not, the longest beginning that has, together with a `…`.
pub fn cut(value: &str, limit: usize) -> Cow<'_, str> {
    const MARK: char = '…';
    if value.len() <= limit && plain_len(value) == value.len() {
        return Cow::Borrowed(value);
    }
    let mut escaped = 0;
    let mut end = 0;
    for (index, character) in value.char_indices() {
        if escaped + MARK.len_utf8() <= limit {
            end = index;
        }
        escaped += escaped_len(character);
        if escaped > limit {
            let mut cut = value[..end].to_owned();
            cut.push(MARK);
            return Cow::Owned(cut);
        }
    }
    Cow::Borrowed(value)
}

/// Appends the text of a value.
pub fn push_display(out: &mut String, value: impl Display) {
    write!(out, "{value}").expect("a String takes any text");
}

/// The length of the beginning that needs no escape. Most values need none at all, and bytes are compared faster than characters.
fn plain_len(value: &str) -> usize {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    value.bytes().position(|byte| !is_plain(&byte)).unwrap_or(value.len())
}

fn escaped_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\t' | '\n' | '\r' => 2,
        _ if must_be_escaped(character) => 6,
        _ => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &str) -> String {
        let mut out = String::new();
        push_string(&mut out, value);
        out
    }

    #[test]
    fn an_object_keeps_its_order_and_escapes_names() {
        let object = Object::default()
            .string("b\"", "x")
            .raw("a", 1)
            .raw("n", "null")
            .strings("list", ["p", "q\\"].into_iter())
            .strings("none", [].into_iter());
        assert_eq!(object.finish(), r#"{"b\"":"x","a":1,"n":null,"list":["p","q\\"],"none":[]}"#);
        assert_eq!(Object::default().finish(), "{}");
    }

    #[test]
    fn a_string_is_escaped_without_loss() {
        let cases = [
            "",
            "plain",
            "é✓🦀\u{200d}\u{202f}",
            "\"\\/",
            "a\tb\r\nc",
            "\0\u{1b}[31m\u{7f}\u{85}\u{9b}2J",
            "\u{2028}\u{2029}",
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}",
        ];
        for case in cases {
            let written = string(case);
            let is_bad = |c: char| {
                c.is_control() || "\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}".contains(c)
            };
            assert!(!written.chars().any(is_bad), "{written}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), case);
        }
        assert_eq!(string("\u{1b}\u{9b}"), r#""\u001b\u009b""#);
        assert_eq!(string("\"\\\t\n\r"), r#""\"\\\t\n\r""#);
    }

    #[test]
    fn a_cut_value_has_a_limited_length_and_whole_characters() {
        assert_eq!(cut("abcde", 5), "abcde");
        assert_eq!(cut("abcdef", 5), "ab…");
        assert_eq!(cut("ééé", 5), "é…");
        assert_eq!(cut("\u{1b}\u{1b}", 11), "\u{1b}…");
        for limit in 3..40 {
            let text = "a\"\n🦀\u{1b}é".repeat(9);
            let written = string(&cut(&text, limit));
            assert!(written.len() <= limit + 2 && written.ends_with("…\""), "{limit}: {written}");
        }
    }
}
