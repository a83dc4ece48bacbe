//! Lengths of time and shares as arguments: `20s`, `500ms`, `2m`; `1%`.

use std::time::Duration;

pub(super) fn length(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        unit => return Err(format!("{unit:?} is none of ms, s, m, h")),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| "not a length of time like 20s")?;
    Duration::try_from_secs_f64(number * unit).map_err(|error| error.to_string())
}

/// A share of all, between 0 and 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let number: f64 = number.parse().map_err(|_| "not a share like 1%")?;
    let share = match text.ends_with('%') {
        true => number / 100.0,
        false => number,
    };
    match share > 0.0 && share <= 0.5 {
        true => Ok(share),
        false => Err("a share is more than 0 and at most 50%".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_units() {
        for (text, milliseconds) in [
            ("20s", 20_000),
            ("500ms", 500),
            ("1.5m", 90_000),
            ("3", 3_000),
        ] {
            assert_eq!(length(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in ["", "s", "-1s", "1d", "1 s"] {
            assert!(length(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn shares_are_at_most_half() {
        assert_eq!(share("1%"), Ok(0.01));
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["0", "51%", "x", "-1%", "1"] {
            assert!(share(text).is_err(), "{text:?}");
        }
    }
}
