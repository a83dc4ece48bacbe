//! Durations as texts: `300ms`, `25s`, `1m30s`, `1h`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Units with their nanoseconds, greatest first. `µs` may be written with either of its two Unicode letters.
const UNITS: [(&str, u128); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is a bare number.
    #[error("needs a unit: 300ms, 25s, 1m30s, 1h")]
    Unit,
    /// It is something else, or too long a time.
    #[error("is not a duration: 300ms, 25s, 1m30s, 1h")]
    Form,
}

/// Reads numbers with units one after the other; `0` alone needs no unit.
///
/// # Errors
/// [`DurationError`] with what is wrong with it.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.parse::<f64>().is_ok() {
        return Err(DurationError::Unit);
    }
    let mut nanoseconds = 0_u128;
    let mut rest = text;
    while !rest.is_empty() || text.is_empty() {
        let (term, after) = term(rest).ok_or(DurationError::Form)?;
        nanoseconds = nanoseconds.saturating_add(term);
        rest = after;
    }
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| DurationError::Form)
}

/// The first number with its unit in nanoseconds, and what follows.
fn term(text: &str) -> Option<(u128, &str)> {
    let (number, rest) = text.split_at(text.find(|c: char| c != '.' && !c.is_ascii_digit())?);
    let (unit, rest) = rest.split_at(
        rest.find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len()),
    );
    let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}").parse::<u64>().ok()?;
    let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((u128::from(digits) * scale / divisor, rest))
}

/// Writes the units that are not zero, greatest first.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, scale) in UNITS {
        if rest >= scale {
            text.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*value))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_units() {
        for (text, milliseconds, shortest) in [
            ("300ms", 300, "300ms"),
            ("25s", 25_000, "25s"),
            ("1m30s", 90_000, "1m30s"),
            ("90s", 90_000, "1m30s"),
            ("1.5s", 1_500, "1s500ms"),
            ("720h0m0s", 2_592_000_000, "720h"),
            ("24h", 86_400_000, "24h"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(format(duration), shortest, "{text}");
        }
        assert_eq!(parse("1µs5ns"), Ok(Duration::from_nanos(1_005)));
        assert_eq!(
            parse(&format(Duration::from_nanos(u64::MAX))),
            Ok(Duration::from_nanos(u64::MAX))
        );
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["25", "1.5", "-3"] {
            assert_eq!(parse(text), Err(DurationError::Unit), "{text}");
        }
        for text in [
            "",
            "s",
            "-3s",
            "1d",
            "1 s",
            "1h 3m",
            "1s3",
            "..s",
            ".s",
            "99999999999999h",
            "ten",
            "1.2.3s",
        ] {
            assert_eq!(parse(text), Err(DurationError::Form), "{text}");
        }
    }
}
