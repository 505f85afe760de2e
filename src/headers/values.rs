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
    let fault = match str::from_utf8(&value) {
        Ok(text) if !text.chars().any(is_forbidden) => {
            return Ok(HeaderValue::try_from(value).expect("a header value may be any text without control characters"));
        }
        Ok(_) => "holds control characters",
        Err(_) => "is not UTF-8",
    };
    let accepted = "accepted is UTF-8 text without control characters other than TAB";
    Err(format!("the value of the header field {} {fault}; {accepted}", name.as_str()))
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && character != '\t'
}
