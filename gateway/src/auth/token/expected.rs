//! What a token must say of its audience and its issuer.

use regex::Regex;
use serde::Deserialize;

use super::TokenError;
use super::fields::Fields;
use crate::config::TokenConfig;

/// Requirements on `aud` and `iss`; all of them must hold.
#[derive(Debug)]
pub(super) struct Expected {
    audience: Vec<Rule>,
    issuer: Vec<Rule>,
}

#[derive(Debug)]
enum Rule {
    Exactly(String),
    /// Matches the whole text.
    Pattern(Regex),
}

/// `aud` (RFC 7519 section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Expected {
    pub(super) fn new(config: &TokenConfig, section: &str) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut rules = |exact: &str, pattern: &str, option: &str| {
            let mut rules = Vec::new();
            if !exact.is_empty() {
                rules.push(Rule::Exactly(exact.to_owned()));
            }
            if !pattern.is_empty() {
                match whole(pattern) {
                    Ok(regex) => rules.push(Rule::Pattern(regex)),
                    Err(_) => {
                        faults.push(format!("{section}.{option}: is not a regular expression"))
                    }
                }
            }
            rules
        };
        let expected = Self {
            audience: rules(&config.audience, &config.audience_regex, "audience_regex"),
            issuer: rules(&config.issuer, &config.issuer_regex, "issuer_regex"),
        };
        if faults.is_empty() {
            Ok(expected)
        } else {
            Err(faults)
        }
    }

    pub(super) fn check(&self, claims: &Fields<'_>) -> Result<(), TokenError> {
        let audience = match claims.get("aud", "text or a list of texts")? {
            None => Vec::new(),
            Some(Audience::One(one)) => vec![one],
            Some(Audience::Many(many)) => many,
        };
        let issuer = Vec::from_iter(claims.text("iss")?);
        if !all_hold(&self.audience, &audience) {
            return Err(TokenError::invalid("it is for another audience"));
        }
        if !all_hold(&self.issuer, &issuer) {
            return Err(TokenError::invalid("it is from another issuer"));
        }
        Ok(())
    }
}

fn all_hold(rules: &[Rule], values: &[String]) -> bool {
    rules
        .iter()
        .all(|rule| values.iter().any(|value| rule.holds(value)))
}

impl Rule {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == value,
            Self::Pattern(regex) => regex.is_match(value),
        }
    }
}

fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // Alone first: `a)|(b` is no pattern, but would become one that is not anchored.
    Regex::new(pattern)?;
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}
