//! Where a backend is, as an option says it.

use http::Uri;
use http::uri::Scheme;
use tidegate_backbone::Topic;

/// A backend's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A whole URL, which is posted to.
    Http(Uri),
    /// A host and port.
    Grpc(http::uri::Authority),
    /// What is asked about on the bus.
    Bus(Topic),
}

impl Endpoint {
    /// Reads `http://…`, `https://…`, `grpc://…` or `nats:…`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("must say where the backend is");
        }
        if let Some(name) = text.strip_prefix("nats:") {
            let topic = Topic::hook(name.trim_start_matches("//"));
            return topic
                .map(Self::Bus)
                .ok_or("must have a name of letters, digits, `-` and `_`, which `_` does not begin, after `nats:`");
        }
        if let Some(host) = text.strip_prefix("grpc://") {
            let authority = host.trim_end_matches('/').parse();
            return authority
                .map(Self::Grpc)
                .map_err(|_| "must have a host and a port after `grpc://`");
        }
        let uri: Uri = text.parse().map_err(|_| "is no URL")?;
        let is_http = [Scheme::HTTP, Scheme::HTTPS]
            .iter()
            .any(|it| uri.scheme() == Some(it));
        match uri.host() {
            Some(host) if is_http && !host.is_empty() => Ok(Self::Http(uri)),
            _ => Err("must start with `http://`, `https://`, `grpc://` or `nats:`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_how_a_backend_is_asked() {
        let kind = |text: &str| match Endpoint::parse(text) {
            Ok(Endpoint::Http(uri)) => format!("http {uri}"),
            Ok(Endpoint::Grpc(authority)) => format!("grpc {authority}"),
            Ok(Endpoint::Bus(topic)) => format!("bus {topic}"),
            Err(_) => "fault".to_owned(),
        };
        for (text, expected) in [
            ("http://a:3000/rpc?x=1", "http http://a:3000/rpc?x=1"),
            ("https://a/rpc", "http https://a/rpc"),
            ("grpc://a:9000", "grpc a:9000"),
            ("nats:chat", "bus hook.chat"),
            ("nats://chat", "bus hook.chat"),
            ("", "fault"),
            ("nats:", "fault"),
            ("nats:a.b", "fault"),
            ("nats:_a", "fault"),
            ("nats:a>", "fault"),
            ("ftp://a/", "fault"),
            ("/rpc", "fault"),
            ("a:3000", "fault"),
            ("http://", "fault"),
        ] {
            assert_eq!(kind(text), expected, "{text:?}");
        }
    }
}
