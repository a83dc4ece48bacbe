//! Times as command lines say them.

use std::time::Duration;

/// A text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is not a number above zero with s, m, h or d behind it")]
pub struct TimeError;

/// A number above zero with `s`, `m`, `h` or `d` behind it.
///
/// # Errors
/// [`TimeError`].
pub fn duration(text: &str) -> Result<Duration, TimeError> {
    parse(text).ok_or(TimeError)
}

fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|it| *it > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("5s", Some(5)),
            ("1m", Some(60)),
            ("24h", Some(86_400)),
            ("2d", Some(172_800)),
            ("0s", None),
            ("-1d", None),
            ("5", None),
            ("", None),
            ("é", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(
                duration(text).ok(),
                expected.map(Duration::from_secs),
                "{text:?}"
            );
        }
    }
}
