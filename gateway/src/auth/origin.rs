//! Which pages' origins (RFC 6454) may open a connection.
//!
//! In: the options, then an `Origin` and a `Host` header's value. Out: yes or no. Origins are taken apart and compared
//! by scheme, host and port, never as text, so that no prefix or suffix of an allowed one passes.

/// Allowed origins.
#[derive(Debug)]
pub struct OriginPolicy(Allowed);

#[derive(Debug)]
enum Allowed {
    /// Even `null`.
    Any,
    /// The server's own host.
    SameHost,
    Listed(Vec<OriginPattern>),
}

/// One allowed origin, or the subdomains of one.
#[derive(Debug)]
struct OriginPattern {
    origin: Origin,
    subdomains: bool,
}

/// Scheme and host in lower case; the port is the scheme's own when the text names none.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl OriginPolicy {
    /// Reads `client.allowed_origins`: `https://app.example.com`, `https://*.example.com`, `*`, or nothing for the
    /// same host.
    ///
    /// # Errors
    /// One text for each entry that is none of these.
    pub fn new(allowed: &[String]) -> Result<Self, Vec<String>> {
        let (mut patterns, mut faults) = (Vec::new(), Vec::new());
        for entry in allowed.iter().filter(|entry| *entry != "*") {
            match OriginPattern::parse(entry) {
                Some(pattern) => patterns.push(pattern),
                None => faults.push(format!(
                    "client.allowed_origins: `{entry}` is not like https://app.example.com or https://*.example.com \
                     (scheme and host, no path, international names as xn--)"
                )),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self(if allowed.is_empty() {
            Allowed::SameHost
        } else if patterns.len() < allowed.len() {
            Allowed::Any
        } else {
            Allowed::Listed(patterns)
        }))
    }

    /// Whether a request with these headers may connect. Without an `Origin` it is not from a browser and passes.
    #[must_use]
    pub fn allows(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        match &self.0 {
            Allowed::Any => true,
            Allowed::SameHost => Origin::parse(origin)
                .zip(host)
                .is_some_and(|(origin, host)| origin.is_of_host(host)),
            Allowed::Listed(patterns) => Origin::parse(origin)
                .is_some_and(|origin| patterns.iter().any(|pattern| pattern.matches(&origin))),
        }
    }
}

impl OriginPattern {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (subdomains, host) = match rest.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, rest),
        };
        let origin = Origin::parse(&format!("{scheme}://{host}"))?;
        Some(Self { origin, subdomains })
    }

    fn matches(&self, origin: &Origin) -> bool {
        if !self.subdomains {
            return self.origin == *origin;
        }
        let parent = origin.host.strip_suffix(&self.origin.host);
        self.origin.scheme == origin.scheme
            && self.origin.port == origin.port
            && parent.is_some_and(|labels| labels.ends_with('.'))
    }
}

impl Origin {
    /// `scheme "://" host [":" port]` (RFC 6454 section 6.2) and nothing else: a browser sends no more than that.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let mut letters = scheme.bytes();
        let scheme_holds = letters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !scheme_holds {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = host_and_port(rest)?;
        let port = port.or_else(|| default_port(&scheme));
        Some(Self { scheme, host, port })
    }

    fn is_of_host(&self, header: &str) -> bool {
        let own = default_port(&self.scheme);
        own.is_some()
            && host_and_port(header)
                .is_some_and(|(host, port)| host == self.host && port.or(own) == self.port)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The host in lower case and the port, if there is one.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    // The colons of an IPv6 address are inside its brackets.
    let after_address = text.find(']').map_or(0, |end| end + 1);
    let colon = text[after_address..].find(':').map(|at| after_address + at);
    let (host, port) = match colon {
        Some(at) => (&text[..at], Some(port_number(&text[at + 1..])?)),
        None => (text, None),
    };
    is_host(host).then(|| (host.to_ascii_lowercase(), port))
}

fn port_number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

/// A name of non-empty ASCII labels, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(label_byte))
}

#[cfg(test)]
mod tests;
