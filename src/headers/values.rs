//! Header values as text. This is narrower than RFC 9110 §5.5, which allows any byte from 0x80 on.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The values of one header, in the order in which they arrived.
pub fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let text = |bytes| str::from_utf8(bytes).expect("other values are rejected");
    headers.get_all(name).iter().map(move |value| text(value.as_bytes()))
}

/// A value that is text, and so can be shown and logged.
///
/// # Errors
/// The value is something else.
pub fn parse(name: &HeaderName, value: Vec<u8>) -> Result<HeaderValue, String> {
    // Most values are ASCII, and bytes are compared faster than characters.
    let is_ascii_text = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let is_text = is_ascii_text || str::from_utf8(&value).is_ok_and(|text| !text.chars().any(is_forbidden));
    let value = HeaderValue::try_from(value).ok().filter(|_| is_text);
    // Without the value, which may be secret.
    let expected = "UTF-8 without control characters other than TAB";
    value.ok_or_else(|| format!("invalid value of the header {}: expected {expected}", name.as_str()))
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && character != '\t'
}
