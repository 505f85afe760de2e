//! The two forms of a line of the access log.

use std::fmt::Display;
use std::ops::Deref;

use crate::json::{self, Object};

/// The value of one member of a line.
pub enum Value<'a> {
    /// A text, which the line may have to quote.
    Text(&'a str),
    /// A number.
    Number(&'a dyn Display),
    /// Unknown: `null` or `-`.
    Absent,
}

impl<'a> Value<'a> {
    /// The text, if it is known.
    pub fn new(text: &'a Option<impl Deref<Target = str>>) -> Self {
        text.as_deref().map_or(Self::Absent, Self::Text)
    }
}

/// A JSON object.
pub fn json(members: &[(&str, Value)]) -> String {
    let add = |object: Object, (name, value): &(&str, Value)| match value {
        Value::Text(text) => object.string(name, text),
        Value::Number(number) => object.raw(name, number),
        Value::Absent => object.raw(name, "null"),
    };
    members.iter().fold(Object::default(), add).finish()
}

/// The values in their order, most of them with their names.
pub fn text(members: &[(&str, Value)]) -> String {
    let mut line = String::new();
    for (name, value) in members {
        if !line.is_empty() {
            line.push(' ');
        }
        if !matches!(*name, "time" | "level" | "method" | "path" | "status") {
            line.push_str(name);
            line.push('=');
        }
        match value {
            Value::Text(text) if *name == "level" => line.push_str(&text.to_ascii_uppercase()),
            Value::Text(text) if needs_no_quotes(text) => line.push_str(text),
            Value::Text(text) => json::push_string(&mut line, text),
            Value::Number(number) => json::push_display(&mut line, number),
            Value::Absent => line.push('-'),
        }
    }
    line
}

/// Whether a reader can tell where a text without quotes ends, and that it is not an absent value.
fn needs_no_quotes(text: &str) -> bool {
    let plain = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '\\' | '=');
    !text.is_empty() && text != "-" && text.chars().all(plain)
}
