//! `/delay/{seconds}`: a slow answer, to see what clients and proxies make of it.

use crate::answer::Answer;
use crate::problem::{Problem, quoted};
use crate::router::Context;
use http::StatusCode;
use std::time::Duration;

/// The longest wait: below the patience of any proxy, and what one request may occupy an instance for.
const LIMIT: Duration = Duration::from_secs(10);

/// Waits, then answers 200.
pub fn handle(context: &Context) -> Result<Answer, Problem> {
    let text = context.parameter;
    let Some(wait) = seconds(text).filter(|wait| *wait <= LIMIT) else {
        let accepted = "accepted is a decimal number of seconds from 0 to 10, such as 2 or 0.25";
        return Err(Problem::bad_request(format!("{} is no delay; {accepted}", quoted(text))));
    };
    Ok(Answer::text(StatusCode::OK, format!("waited {text} s")).after(wait))
}

/// Digits, and up to nine more after a point: no sign, no exponent, no infinity, and nothing lost to rounding.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos = Duration::from_nanos(format!("{fraction:0<9}").parse().ok()?);
    Some(Duration::from_secs(whole.parse().ok()?).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answer, get};

    #[test]
    fn waits_for_the_seconds_in_the_path() {
        for (text, millis) in [
            ("0", 0),
            ("2", 2000),
            ("0.25", 250),
            ("0010", 10_000),
            ("10", 10_000),
            ("10.000", 10_000),
            ("9.999", 9999),
        ] {
            let answer = get(&format!("/delay/{text}?ignored"));
            assert_eq!((answer.status(), answer.wait), (200, Duration::from_millis(millis)), "{text}");
            assert_eq!(answer.body(), format!("waited {text} s"));
        }
        assert_eq!(seconds("0.000000001"), Some(Duration::from_nanos(1)));
    }

    #[test]
    fn what_is_no_delay_is_refused_at_once() {
        let huge = "9".repeat(60_000);
        let precise = format!("1.{}", "0".repeat(60_000));
        let malformed =
            ["", "-1", "-0", "+1", "NaN", "inf", "1e9", "1e-9", ".5", "5.", ".", "1.2.3", "1,5", "0x1", "%31", "ten"];
        let too_long = ["10.001", "10.000000001", "11", "18446744073709551616", &huge, &precise];
        for text in malformed.iter().chain(&too_long) {
            let answer = get(&format!("/delay/{text}"));
            let detail = answer.detail(400);
            assert!(
                detail
                    .ends_with("is no delay; accepted is a decimal number of seconds from 0 to 10, such as 2 or 0.25")
            );
            assert!(detail.len() < 200 && answer.wait.is_zero(), "{detail}");
        }
    }

    #[test]
    fn head_waits_as_well() {
        assert_eq!(answer("HEAD", "/delay/1", &[]).wait, Duration::from_secs(1));
    }
}
