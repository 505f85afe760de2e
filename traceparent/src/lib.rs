//! The header field `traceparent`, by which a request names the trace it belongs to (W3C Trace Context, §3.2). The component
//! writes its ids into the access log, the runtime continues the trace.

#![cfg_attr(not(test), no_std)]

/// The name of the field.
pub const NAME: &str = "traceparent";

/// Bytes of `00-TRACE-SPAN-FLAGS`.
const LENGTH: usize = 55;

/// What the field says. The ids are lowercase hexadecimal digits, and not all of them zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent<'a> {
    /// The trace, 32 digits.
    pub trace_id: &'a str,
    /// The caller's span, which is the parent of what happens here; 16 digits.
    pub span_id: &'a str,
    /// Whether the caller records the trace.
    pub sampled: bool,
}

impl<'a> TraceParent<'a> {
    /// Reads the value of the field. `None` if it is not valid; then it counts as absent (§4.3).
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        // All that is read is ASCII, and the only version has this length. A later one may append more after a dash (§3.2.4).
        let (known, more) = (value.is_ascii() && value.len() >= LENGTH).then(|| value.split_at(LENGTH))?;
        let mut parts = known.split('-');
        let version = digits(parts.next()?, 2)?;
        let trace_id = identifier(parts.next()?, 32)?;
        let span_id = identifier(parts.next()?, 16)?;
        let flags = u8::from_str_radix(digits(parts.next()?, 2)?, 16).ok()?;
        let has_valid_end = match version {
            "ff" => false,
            "00" => more.is_empty(),
            _ => more.is_empty() || more.starts_with('-'),
        };
        has_valid_end.then_some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }

    /// The one of a request with these values of the field. More than one are as bad as none.
    pub fn of_request(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut values = values.into_iter();
        let value = values.next()?;
        values.next().is_none().then(|| Self::parse(str::from_utf8(value).ok()?))?
    }
}

/// `text`, if it is that many lowercase hexadecimal digits.
fn digits(text: &str, count: usize) -> Option<&str> {
    (text.len() == count && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))).then_some(text)
}

/// The same, but not all zeros: those are no id (§3.2.2.3, §3.2.2.4).
fn identifier(text: &str, count: usize) -> Option<&str> {
    digits(text, count).filter(|id| id.bytes().any(|byte| byte != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_value_names_trace_and_span() {
        let parsed = |sampled| Some(TraceParent { trace_id: TRACE, span_id: SPAN, sampled });
        assert_eq!(TraceParent::parse(VALID), parsed(true));
        for (flags, sampled) in [("00", false), ("02", false), ("03", true), ("ff", true)] {
            assert_eq!(TraceParent::parse(&VALID.replace("-01", &["-", flags].concat())), parsed(sampled), "{flags}");
        }
    }

    #[test]
    fn a_later_version_may_say_more() {
        for later in ["cc-TRACE-SPAN-01", "cc-TRACE-SPAN-01-what-comes", "01-TRACE-SPAN-01-"] {
            assert!(parse(later), "{later}");
        }
        for wrong in ["cc-TRACE-SPAN-01.what", "cc-TRACE-SPAN-010", "ff-TRACE-SPAN-01"] {
            assert!(!parse(wrong), "{wrong}");
        }
    }

    #[test]
    fn an_invalid_value_counts_as_absent() {
        for wrong in [
            "",
            "00",
            "00-TRACE-SPAN",
            "00-TRACE-SPAN-0",
            "00-TRACE-SPAN-011",
            "00-TRACE-SPAN-01-more",
            "00-TRACE-SPAN-0g",
            "00-TRACE-SPAN-0A",
            "00-TRACE-SPAN-+1",
            "0-TRACE-SPAN-01",
            "0g-TRACE-SPAN-01",
            "0A-TRACE-SPAN-01",
            "00_TRACE_SPAN_01",
            " 00-TRACE-SPAN-01",
            "00-TRACE-SPAN-01 ",
            "00-00000000000000000000000000000000-SPAN-01",
            "00-TRACE-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-SPAN-01",
            "00-TRACE-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-SPAN-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-SPAN-01",
            "00-TRACE-00f067aa0ba902b-01",
            "00-TRACE-00f067aa0ba902bé-01",
            "cc-TRACE0-SPAN-01",
        ] {
            assert!(!parse(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_request_names_one_trace() {
        let of = |values: &[&'static str]| TraceParent::of_request(values.iter().map(|value| value.as_bytes()));
        assert!(of(&[VALID]).is_some());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[VALID, VALID]), None);
        assert_eq!(TraceParent::of_request([&b"\xff"[..]]), None);
    }

    /// Whether this is valid, with the ids in place of their names.
    fn parse(pattern: &str) -> bool {
        TraceParent::parse(&pattern.replace("TRACE", TRACE).replace("SPAN", SPAN)).is_some()
    }
}
