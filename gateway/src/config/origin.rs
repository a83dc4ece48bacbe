//! What may stand in `client.allowed_origins`.

/// Whether this is `*`, `scheme://host[:port]` or `scheme://*.host[:port]`.
pub(super) fn is_origin_pattern(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let (host, port) = split_port(authority);
    is_scheme(scheme)
        && is_host(host.strip_prefix("*.").unwrap_or(host))
        && port.is_none_or(is_port)
}

/// The port follows the last `:`, but not one inside the brackets of an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_host(text: &str) -> bool {
    let address = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_in_front_or_alone() {
        for good in [
            "*",
            "https://app.example.com",
            "http://localhost:3000",
            "https://*.example.com",
            "https://*.example.com:8443",
            "capacitor://localhost",
            "http://[::1]:3000",
        ] {
            assert!(is_origin_pattern(good), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "https://",
            "https://*",
            "https://app.*.com",
            "https://app*.example.com",
            "https://example.com/",
            "https://example.com:*",
            "https://example.com:99999",
            "https://user@example.com",
            "://example.com",
            "http://[::1",
        ] {
            assert!(!is_origin_pattern(bad), "{bad}");
        }
    }
}
