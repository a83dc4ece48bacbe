//! Which token the request of a WebSocket upgrade carries: in its `Authorization` header or in a cookie.
//!
//! In: header values. Out: the token's text, unverified. The request's target is not among the inputs: a token in a
//! URL would end up in access logs and in browsers' histories, so it is never read from there. A cookie comes along
//! with any page's request; whoever uses this must have checked the origin ([`super::OriginPolicy`]).

/// The token of an upgrade request.
///
/// `authorization` is that header's value, `cookies` are the values of all `Cookie` headers, and `cookie_name` is the
/// configured name (empty: no cookie is read). A bearer token in `authorization` wins over a cookie. Two cookies of
/// that name with different values are no token: a neighbouring subdomain can plant a second one (RFC 6265 section
/// 8.6), and which of them comes first says nothing.
pub fn token_of_upgrade<'a>(
    authorization: Option<&'a str>,
    cookies: impl Iterator<Item = &'a str>,
    cookie_name: &str,
) -> Option<&'a str> {
    match authorization.and_then(bearer) {
        Some(token) => Some(token),
        None => cookie(cookies, cookie_name),
    }
    .filter(|token| !token.is_empty())
}

/// RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6265 section 5.4: pairs joined by `;`, names case-sensitive, values perhaps in quotes.
fn cookie<'a>(cookies: impl Iterator<Item = &'a str>, wanted: &str) -> Option<&'a str> {
    if wanted.is_empty() {
        return None;
    }
    let mut values = cookies
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.trim() == wanted)
        .map(|(_, value)| unquoted(value.trim()));
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Authorization`, cookie headers, the cookie's name, the token.
    type Case<'a> = (Option<&'a str>, &'a [&'a str], &'a str, Option<&'a str>);

    #[test]
    fn a_token_comes_from_the_header_or_the_cookie() {
        let cases: [Case<'_>; 26] = [
            (None, &[], "token", None),
            (Some("Bearer a.b.c"), &[], "", Some("a.b.c")),
            (Some("bearer a.b.c"), &[], "", Some("a.b.c")),
            (Some("BEARER   a.b.c "), &[], "", Some("a.b.c")),
            (Some("Bearer"), &[], "", None),
            (Some("Bearer "), &[], "", None),
            (Some("Bearera.b.c"), &[], "", None),
            (Some("Basic dXNlcjpwYXNz"), &[], "", None),
            (Some("a.b.c"), &[], "", None),
            // Handed on as it is; the verifier refuses it.
            (Some("Bearer a b"), &[], "", Some("a b")),
            (None, &["token=a.b.c"], "token", Some("a.b.c")),
            (None, &["token=a.b.c"], "", None),
            (None, &["token=a.b.c"], "Token", None),
            (None, &["Token=a.b.c"], "token", None),
            (None, &["x=1; token=a.b.c; y=2"], "token", Some("a.b.c")),
            (None, &["x=1;token=a.b.c;y"], "token", Some("a.b.c")),
            (None, &["x=1", "token=a.b.c"], "token", Some("a.b.c")),
            (None, &["token=\"a.b.c\""], "token", Some("a.b.c")),
            (None, &["token=a=b=="], "token", Some("a=b==")),
            (None, &["xtoken=a; token2=b; x=token=c"], "token", None),
            (None, &["token="], "token", None),
            (None, &["token=a; token=a"], "token", Some("a")),
            (None, &["token=a; token=b"], "token", None),
            (None, &["token=a", "token=b"], "token", None),
            (Some("Bearer a"), &["token=b"], "token", Some("a")),
            (Some("Basic x"), &["token=b"], "token", Some("b")),
        ];
        for (authorization, cookies, name, expected) in cases {
            let token = token_of_upgrade(authorization, cookies.iter().copied(), name);
            assert_eq!(token, expected, "{authorization:?} {cookies:?} {name}");
        }
    }

    #[test]
    fn an_empty_bearer_does_not_fall_back_to_the_cookie() {
        let cookies = ["token=b"].into_iter();
        assert_eq!(token_of_upgrade(Some("Bearer "), cookies, "token"), None);
    }
}
