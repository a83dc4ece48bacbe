//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).

/// One extension of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a str,
    /// In order, with repetitions. A value is without its quotes.
    pub(super) parameters: Vec<(&'a str, Option<String>)>,
}

/// The extensions that a header lists. `None` when it is not a list of extensions.
pub(super) fn parse(header: &str) -> Option<Vec<Extension<'_>>> {
    let mut scanner = Scanner { rest: header };
    let mut extensions = Vec::new();
    loop {
        // Lists may have empty elements (RFC 9110 section 5.6.1).
        while scanner.takes(',') {}
        if scanner.is_at_end() {
            return Some(extensions);
        }
        extensions.push(scanner.extension()?);
        if !scanner.is_at_end() && !scanner.takes(',') {
            return None;
        }
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn extension(&mut self) -> Option<Extension<'a>> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.takes(';') {
            let name = self.token()?;
            let value = match self.takes('=') {
                true => Some(self.value()?),
                false => None,
            };
            parameters.push((name, value));
        }
        Some(Extension { name, parameters })
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty()
    }

    fn takes(&mut self, separator: char) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(separator);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let end = self.rest.find(|character| !is_token_character(character));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    /// A token, bare or in quotes.
    fn value(&mut self) -> Option<String> {
        if !self.takes('"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        let mut characters = self.rest.chars();
        loop {
            let character = match characters.next()? {
                '"' => break,
                '\\' => characters.next()?,
                character => character,
            };
            // "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
            if !is_token_character(character) {
                return None;
            }
            value.push(character);
        }
        self.rest = characters.as_str();
        (!value.is_empty()).then_some(value)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

/// RFC 9110 section 5.6.2.
fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = &'a [(&'a str, &'a [(&'a str, Option<&'a str>)])];

    fn check(header: &str, expected: Option<Expected<'_>>) {
        let expected = expected.map(|extensions| {
            let extensions = extensions.iter().map(|(name, parameters)| Extension {
                name,
                parameters: (parameters.iter())
                    .map(|(name, value)| (*name, value.map(str::to_owned)))
                    .collect(),
            });
            extensions.collect::<Vec<_>>()
        });
        assert_eq!(parse(header), expected, "{header:?}");
    }

    #[test]
    fn headers_list_extensions() {
        check("", Some(&[]));
        check(" , ,", Some(&[]));
        check("foo", Some(&[("foo", &[])]));
        check("foo,bar", Some(&[("foo", &[]), ("bar", &[])]));
        check(" foo ,,\tbar ", Some(&[("foo", &[]), ("bar", &[])]));
        check("foo; a", Some(&[("foo", &[("a", None)])]));
        check("foo;a=1", Some(&[("foo", &[("a", Some("1"))])]));
        check("foo;a = \"1\"", Some(&[("foo", &[("a", Some("1"))])]));
        check("foo;a=\"\\1\\0\"", Some(&[("foo", &[("a", Some("10"))])]));
        check(
            "foo; a; a=x, bar; b",
            Some(&[
                ("foo", &[("a", None), ("a", Some("x"))]),
                ("bar", &[("b", None)]),
            ]),
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for header in [
            "foo bar",
            "foo;",
            "foo;;a",
            "foo; =1",
            "foo;a=",
            "foo;a=\"",
            "foo;a=\"\"",
            "foo;a=\"1",
            "foo;a=\"1,2\"",
            "foo;a=\"\\\"\"",
            "foo;a=\"1\"2",
            "=",
            ";",
            "fo/o",
            "föo",
        ] {
            check(header, None);
        }
    }
}
