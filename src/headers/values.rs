//! Header field values as text: narrower than RFC 9110 §5.5, which allows any bytes from 0x80 on.

use http::{HeaderMap, HeaderName};

/// The values of one field, in the order in which they arrived.
pub fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let text = |bytes| str::from_utf8(bytes).expect("other values are refused");
    headers.get_all(name).iter().map(move |value| text(value.as_bytes()))
}

/// Whether a value can be taken for text, shown and logged.
///
/// # Errors
/// What is wrong with the value, and what is accepted.
pub fn check(name: &HeaderName, value: &[u8]) -> Result<(), String> {
    let fault = match str::from_utf8(value) {
        Ok(text) if !text.chars().any(is_forbidden) => return Ok(()),
        Ok(_) => "holds control characters",
        Err(_) => "is not UTF-8",
    };
    let accepted = "accepted is UTF-8 text without control characters other than TAB";
    Err(format!("the value of the header field {} {fault}; {accepted}", name.as_str()))
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && character != '\t'
}
