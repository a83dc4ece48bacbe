//! Where a server is.

use std::fmt;

const DEFAULT_PORT: u16 = 4222;

/// Host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::nats) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// It was given as `tls://`.
    pub(super) is_tls: bool,
}

impl Address {
    /// Reads `nats://host:4222`, `tls://host:4222`, or either without scheme or port.
    ///
    /// # Errors
    /// What to mend.
    pub(in crate::nats) fn parse(url: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "it should be like nats://host:4222 or tls://host:4222";
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "nats" => false,
            "tls" => true,
            _ => return Err(SHAPE),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return Err("it holds credentials, which belong in settings of their own");
        }
        let (host, port) = split_port(authority).ok_or(SHAPE)?;
        let is_plain = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | ':')
        };
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(SHAPE);
        }
        Ok(Self {
            host: host.to_owned(),
            port: port
                .map_or(Ok(DEFAULT_PORT), str::parse)
                .map_err(|_| SHAPE)?,
            is_tls,
        })
    }
}

/// The host without the brackets of an IPv6 address, and the port if there is one.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_hosts_and_ports() {
        let table = [
            ("nats://one:1", "one:1", false),
            (" tls://one.example ", "one.example:4222", true),
            ("NATS://one/", "one:4222", false),
            ("10.0.0.1:4223", "10.0.0.1:4223", false),
            ("tls://[::1]:5", "[::1]:5", true),
            ("[::1]", "[::1]:4222", false),
        ];
        for (url, shown, is_tls) in table {
            let address = Address::parse(url).unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.is_tls),
                (shown, is_tls),
                "of {url:?}"
            );
        }
        let wrong = [
            "",
            "nats://",
            "nats://:1",
            "http://one",
            "ws://one",
            "one:",
            "one:x",
            "one:70000",
            "::1",
            "[::1",
            "[::1]1",
            "a b",
            "a/b",
            "ann:s3cret@one",
            "nats://ann@one",
        ];
        for url in wrong {
            assert!(Address::parse(url).is_err(), "{url:?}");
        }
    }
}
