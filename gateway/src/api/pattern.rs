//! Patterns of channel names: `*` for anything, `?` for one character, `[ab]` for one of these, `{a,b}` for one of those.

use regex::Regex;

/// Bytes of a pattern; a longer one matches nothing.
const MAX_BYTES: usize = 1_024;

/// Which channels are meant.
#[derive(Debug)]
pub(crate) enum Pattern {
    All,
    Some(Regex),
    None,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        if text.is_empty() || text == "*" {
            return Self::All;
        }
        if text.len() > MAX_BYTES {
            return Self::None;
        }
        Regex::new(&expression(text)).map_or(Self::None, Self::Some)
    }

    pub(crate) fn matches(&self, channel: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(regex) => regex.is_match(channel),
            Self::None => false,
        }
    }
}

fn expression(text: &str) -> String {
    let mut expression = "^(?s:".to_owned();
    let (mut depth, mut characters) = (0, text.chars());
    while let Some(character) = characters.next() {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => set(&mut characters, &mut expression),
            '{' => {
                depth += 1;
                expression.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                expression.push(')');
            }
            ',' if depth > 0 => expression.push('|'),
            '\\' => expression.extend(characters.next().map(|it| regex::escape(&it.to_string()))),
            other => expression.push_str(&regex::escape(&other.to_string())),
        }
    }
    expression.push_str(")$");
    expression
}

/// The rest of a set of characters, `!` or `^` at its start for all others.
fn set(characters: &mut std::str::Chars<'_>, expression: &mut String) {
    expression.push('[');
    for (at, character) in characters.by_ref().enumerate() {
        match character {
            ']' => break,
            '!' | '^' if at == 0 => expression.push('^'),
            '-' => expression.push('-'),
            other => expression.push_str(&regex::escape(&other.to_string())),
        }
    }
    expression.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_globs_do() {
        for (pattern, channel, expected) in [
            ("", "chat:a", true),
            ("*", "chat:a", true),
            ("chat:*", "chat:a", true),
            ("chat:*", "news:a", false),
            ("chat:?", "chat:a", true),
            ("chat:?", "chat:ab", false),
            ("chat:[ab]", "chat:b", true),
            ("chat:[!ab]", "chat:b", false),
            ("{chat,news}:a", "news:a", true),
            ("{chat,news}:a", "other:a", false),
            ("a.c", "abc", false),
            ("a.c", "a.c", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("chat:[", "chat:[", false),
            ("{a", "a", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(channel),
                expected,
                "{pattern} {channel}"
            );
        }
        assert!(!Pattern::new(&"a*".repeat(1_000)).matches("a"));
    }
}
