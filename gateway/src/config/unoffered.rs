//! Centrifugo's options that Tidegate knows of and does not offer, so that a team that moves over keeps its file.
//!
//! Such an option may stand in a configuration as long as it asks for nothing: when it is off, empty or at Centrifugo's
//! default. One that asks for behaviour is a fault, unless nobody would notice.

mod table;

use serde_json::Value;

use super::duration;
pub(super) use table::UNOFFERED;

/// What becomes of an option that asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Passes: another option decides whether it matters.
    Silent,
    /// Passes with a warning, for nobody notices; the reason.
    Idle(&'static str),
    /// A fault; what this version lacks.
    Missing(&'static str),
    /// A fault; what there is in its place.
    Instead(&'static str),
}

/// An option, or a section and everything in it.
#[derive(Debug)]
pub(super) struct Unoffered {
    /// Its path, in which `channel.*` stands for every set of channel options.
    pub(super) path: &'static str,
    /// In a section, the option that switches it on, the only one that matters; empty for all of them.
    switch: &'static str,
    /// A value besides the empty ones that asks for nothing.
    default: &'static str,
    verdict: Verdict,
}

/// What says about the option at this path, if Tidegate knows of it.
pub(super) fn entry(path: &str) -> Option<&'static Unoffered> {
    UNOFFERED
        .iter()
        .filter(|entry| below(path, entry.path).is_some())
        .max_by_key(|entry| entry.path.len())
}

/// What follows a section's path in one of an option of it: empty for the section itself.
pub(super) fn below<'a>(path: &'a str, section: &str) -> Option<&'a str> {
    match path.strip_prefix(section)? {
        "" => Some(""),
        rest => rest.strip_prefix('.'),
    }
}

impl Unoffered {
    /// The verdict on an option, by its path, that has this value.
    pub(super) fn verdict(&self, path: &str, value: &Value) -> Verdict {
        let decides = match below(path, self.path) {
            Some("") => true,
            rest => self.switch.is_empty() || rest == Some(self.switch),
        };
        if decides && self.asks(value) {
            self.verdict
        } else {
            Verdict::Silent
        }
    }

    fn asks(&self, value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::Bool(on) => *on,
            Value::Number(number) => {
                number.as_f64() != Some(0.0) && number.to_string() != self.default
            }
            Value::String(text) => self.asks_text(text),
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
        }
    }

    fn asks_text(&self, text: &str) -> bool {
        let empty = matches!(text, "" | "false" | "0" | "[]" | "{}") || text == self.default;
        let duration = duration::parse(text).ok();
        !empty
            && !duration.is_some_and(|duration| {
                duration.is_zero() || duration::parse(self.default) == Ok(duration)
            })
    }
}
