//! Headers of a client that backends may see: of its upgrade request, and such as it makes up in its connect command.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

/// Headers that one client has, with names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Of the upgrade request.
    sent: Vec<(String, String)>,
    /// From the connect command.
    made_up: Vec<(String, String)>,
}

impl Headers {
    /// Those of an upgrade request.
    pub(crate) fn new(sent: Vec<(String, String)>) -> Self {
        Self {
            sent,
            made_up: Vec::new(),
        }
    }

    /// The same headers, from what [`Headers::parts`] gave.
    pub(super) fn of_parts(sent: Vec<(String, String)>, made_up: Vec<(String, String)>) -> Self {
        Self { sent, made_up }
    }

    /// What a backend may see of them: what was sent, and what was made up.
    pub(super) fn parts(&self, wanted: &Wanted) -> [Vec<(String, String)>; 2] {
        let of = |headers: &[(String, String)], names: &[String]| {
            let fit = headers.iter().filter(|(name, _)| names.contains(name));
            fit.cloned().collect()
        };
        [
            of(&self.sent, &wanted.sent),
            of(&self.made_up, &wanted.made_up),
        ]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.made_up.is_empty()
    }

    /// Adds those of a connect command that `wanted` has; what cannot be a header is left out.
    pub(crate) fn make_up(&mut self, headers: &BTreeMap<String, String>, wanted: &Wanted) {
        let lower = |(name, value): (&String, &String)| (name.to_ascii_lowercase(), value.clone());
        let headers = headers.iter().map(lower);
        let fit = headers.filter(|(name, value)| {
            wanted.made_up.contains(name)
                && HeaderName::from_bytes(name.as_bytes()).is_ok()
                && HeaderValue::from_str(value).is_ok()
        });
        self.made_up.extend(fit);
    }

    /// Those that a backend may see: what was sent wins over what was made up.
    pub(super) fn allowed(&self, wanted: &Wanted) -> Vec<(&str, &str)> {
        let sent = self
            .sent
            .iter()
            .filter(|(name, _)| wanted.sent.contains(name));
        let made_up = self.made_up.iter().filter(|(name, _)| {
            let is_sent = wanted.sent.contains(name) && self.sent.iter().any(|it| it.0 == *name);
            wanted.made_up.contains(name) && !is_sent
        });
        let all = sent.chain(made_up);
        all.map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

/// Names of headers that are passed on, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    sent: Vec<String>,
    made_up: Vec<String>,
}

impl Wanted {
    pub(crate) fn new(sent: &[String], made_up: &[String]) -> Self {
        let lower = |names: &[String]| names.iter().map(|it| it.to_ascii_lowercase()).collect();
        Self {
            sent: lower(sent),
            made_up: lower(made_up),
        }
    }

    /// Adds what another wants.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.sent, &other.sent),
            (&mut self.made_up, &other.made_up),
        ] {
            mine.extend(theirs.iter().cloned());
            mine.sort_unstable();
            mine.dedup();
        }
    }

    /// Names of headers of upgrade requests.
    pub(crate) fn sent(&self) -> &[String] {
        &self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_listed_headers_pass_and_those_of_the_request_win() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let wanted = Wanted::new(
            &names(&["Cookie"]),
            &names(&["cookie", "X-Made-Up", "X-Bad"]),
        );
        let mut headers = Headers::new(vec![pair("cookie", "real"), pair("host", "h")]);
        let made_up = BTreeMap::from([
            pair("Cookie", "forged"),
            pair("X-Made-Up", "1"),
            pair("X-Bad", "a\r\nHost: b"),
            pair("Authorization", "not listed"),
        ]);
        headers.make_up(&made_up, &wanted);
        assert_eq!(
            headers.allowed(&wanted),
            [("cookie", "real"), ("x-made-up", "1")]
        );
        let other = Wanted::new(&[], &names(&["cookie"]));
        assert_eq!(headers.allowed(&other), [("cookie", "forged")]);
    }
}
