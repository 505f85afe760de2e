//! `/delay/{seconds}`: a slow response, to see how clients and proxies treat it.

use std::time::Duration;

use http::StatusCode;

use super::{Context, Result};
use crate::problem::{Problem, invalid};
use crate::response::Outcome;

/// The longest delay: below the timeouts of common proxies. One delay occupies one instance.
const LIMIT: Duration = Duration::from_secs(10);

/// 200 after the delay.
pub fn handle(context: &Context) -> Result {
    let text = context.parameter;
    let Some(delay) = seconds(text) else {
        let expected = "decimal seconds from 0 to 10, such as 2 or 0.25";
        return Err(Problem::bad_request(invalid("delay", text, expected)));
    };
    Ok(Outcome::text(StatusCode::OK, format!("waited {text} s")).after(delay))
}

/// A delay of at most [`LIMIT`]: digits, perhaps a point and more digits. No sign, exponent or infinity.
///
/// The clock counts nanoseconds. Finer digits are cut, because many programs print numbers with more digits. But they count
/// for the limit.
fn seconds(text: &str) -> Option<Duration> {
    /// Decimal digits of a nanosecond.
    const RESOLUTION: usize = 9;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let (nanos, finer) = fraction.split_at(fraction.len().min(RESOLUTION));
    let nanos = Duration::from_nanos(format!("{nanos:0<RESOLUTION$}").parse().ok()?);
    let delay = Duration::from_secs(whole.parse().ok()?).saturating_add(nanos);
    let is_exact = finer.bytes().all(|digit| digit == b'0');
    (delay < LIMIT || delay == LIMIT && is_exact).then_some(delay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get, send};

    #[test]
    fn the_delay_is_the_seconds_in_the_path() {
        for (text, millis) in [
            ("0", 0),
            ("2", 2000),
            ("0.25", 250),
            ("0010", 10_000),
            ("10", 10_000),
            ("10.000", 10_000),
            ("9.999", 9999),
            ("00000000000000000000000000001.50000000000000000000000000000", 1500),
        ] {
            let response = get(&format!("/delay/{text}?ignored"));
            assert_eq!((response.status(), response.delay), (200, Duration::from_millis(millis)), "{text}");
            assert_eq!(response.body(), format!("waited {text} s"));
        }
    }

    #[test]
    fn digits_beyond_nanoseconds_are_cut() {
        let zeros = "0".repeat(60_000);
        for (text, nanos) in [
            ("0.000000001", 1),
            ("0.0000000019", 1),
            ("0.25556701615862437", 255_567_016),
            ("4.771643926499766", 4_771_643_926),
            ("9.9999999999999999", 9_999_999_999),
            (&format!("10.{zeros}"), 10_000_000_000),
        ] {
            let response = get(&format!("/delay/{text}"));
            assert_eq!((response.status(), response.delay), (200, Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn an_invalid_delay_gets_400_at_once() {
        let huge = "9".repeat(60_000);
        let barely = format!("10.{}1", "0".repeat(60_000));
        let malformed = [
            "",
            "-1",
            "-0",
            "+1",
            "NaN",
            "inf",
            "1e9",
            "1e-9",
            ".5",
            "5.",
            ".",
            "1.2.3",
            "1,5",
            "0x1",
            "%31",
            "ten",
            "1.2345678901x",
        ];
        let too_long = ["10.001", "10.000000001", "11", "18446744073709551616", "10.0000000001", &huge, &barely];
        for text in malformed.iter().chain(&too_long) {
            let response = get(&format!("/delay/{text}"));
            let detail = response.detail(400);
            assert!(detail.starts_with("invalid delay \""), "{detail}");
            assert!(detail.ends_with("\": expected decimal seconds from 0 to 10, such as 2 or 0.25"), "{detail}");
            assert!(detail.len() < 200 && response.delay.is_zero(), "{detail}");
        }
    }

    #[test]
    fn head_waits_too() {
        assert_eq!(send("HEAD", "/delay/1", &[]).delay, Duration::from_secs(1));
    }
}
