//! What the programs of a deployment talk about.
//!
//! A topic is the end of a subject: `<prefix>.<topic>` on NATS, the same text inside one process. Each thing that is
//! said has one constructor here, and only this file and `subject` spell what is said on.

mod events;
mod hooks;
mod occupancy;
mod presence;

use std::fmt;

/// Where NATS asks services about themselves. This and the next do not begin with the prefix.
const MICRO: &str = "$SRV.";

/// Where `JetStream` is asked.
const JETSTREAM: &str = "$JS.API.";

/// Where registers are.
const REGISTERS: &str = "$KV.";

/// What a message is about; or, with `*` for any one token and a last `>` for any rest, what one hears about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Box<str>);

impl Topic {
    /// What a service is asked for by those who want its endpoint.
    ///
    /// # Panics
    /// If one of them is no plain name of letters, digits, `-` and `_`.
    #[must_use]
    pub fn request(service: &str, endpoint: &str) -> Self {
        Self::of(&["req", service, endpoint])
    }

    /// What `JetStream` is asked for a stream.
    ///
    /// # Panics
    /// If it is no plain name.
    #[must_use]
    pub fn stream_creation(name: &str) -> Self {
        assert!(is_plain(name), "{name:?} is no name for a stream");
        Self(format!("{JETSTREAM}STREAM.CREATE.{name}").into())
    }

    /// What `JetStream` is asked for a message of a stream.
    ///
    /// # Panics
    /// If it is no plain name.
    #[must_use]
    pub fn stream_message(name: &str) -> Self {
        assert!(is_plain(name), "{name:?} is no name for a stream");
        Self(format!("{JETSTREAM}STREAM.MSG.GET.{name}").into())
    }

    /// Frames of clients for the sessions of a node.
    ///
    /// # Panics
    /// If the node's id is no plain name of letters, digits, `-` and `_`.
    #[must_use]
    pub fn emulation(node: &str) -> Self {
        Self::of(&["node", node, "emulation"])
    }

    /// That publications of a channel were removed on purpose; the message is its name.
    #[must_use]
    pub fn removed() -> Self {
        Self::of(&["history", "removed"])
    }

    /// What a history service is asked about the channels of a namespace, `None` for those without one.
    #[must_use]
    pub fn archive(namespace: Option<&str>) -> Self {
        Self::of(&["req", "history", "read", namespace.unwrap_or("_")])
    }

    /// What a history service is asked to remove of a namespace, `None` for channels without one.
    #[must_use]
    pub fn archive_removal(namespace: Option<&str>) -> Self {
        Self::of(&["req", "history", "remove", namespace.unwrap_or("_")])
    }

    /// Whose turn it is to take a namespace's stream into an archive that several processes share.
    #[must_use]
    pub fn turn(archive: &str, namespace: Option<&str>) -> Self {
        // The name of an archive may be anything.
        let archive: String = archive.bytes().map(|byte| format!("{byte:02x}")).collect();
        let tokens = ["history", "turn", &archive, namespace.unwrap_or("_")];
        Self::of(&tokens)
    }

    /// Signs of life of nodes.
    #[must_use]
    pub fn node_beats() -> Self {
        Self::of(&["node", "beat"])
    }

    /// What a node tells itself.
    ///
    /// # Panics
    /// If the node's id is no plain name of letters, digits, `-` and `_`.
    #[must_use]
    pub fn node_echo(node: &str) -> Self {
        Self::of(&["node", node, "echo"])
    }

    /// What every node is asked by another.
    #[must_use]
    pub fn node_questions() -> Self {
        Self::of(&["node", "ask"])
    }

    /// What services are asked about themselves, by `verb`; those of a name, or one of them.
    pub(crate) fn micro(verb: &str, service: Option<&str>, id: Option<&str>) -> Self {
        let mut text = format!("{MICRO}{verb}");
        for token in service.into_iter().chain(id) {
            assert!(is_plain(token), "{token:?} is no name for a service");
            text.push('.');
            text.push_str(token);
        }
        Self(text.into())
    }

    fn of(tokens: &[&str]) -> Self {
        for token in tokens {
            assert!(is_plain(token), "{token:?} is no token of a topic");
        }
        Self(tokens.join(".").into())
    }

    /// The topic of a message's subject, as it came from the carrier.
    pub(crate) fn heard(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the prefix stands before it.
    pub(crate) fn has_prefix(&self) -> bool {
        let own = [MICRO, JETSTREAM, REGISTERS];
        !own.iter().any(|start| self.0.starts_with(start))
    }

    /// Whether who hears about `self` hears about `other`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let mut tokens = other.0.split('.');
        for expected in self.0.split('.') {
            match (expected, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (expected, Some(token)) if expected == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it is one token that names nothing but itself.
fn is_plain(token: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !token.is_empty() && token.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_covers_what_nats_says_it_does() {
        let table = [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.b", "a", false),
            ("a", "a.b", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.*.c", "a.b.c", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
        ];
        for (heard, said, covers) in table {
            let (heard, said) = (Topic::heard(heard), Topic::heard(said));
            assert_eq!(heard.covers(&said), covers, "{heard} of {said}");
        }
    }

    #[test]
    fn a_service_is_asked_about_itself_without_the_prefix() {
        let all = Topic::micro("PING", None, None);
        let one = Topic::micro("INFO", Some("tidegate"), Some("a1"));
        assert_eq!(
            (all.as_str(), one.as_str()),
            ("$SRV.PING", "$SRV.INFO.tidegate.a1")
        );
        assert!(!one.has_prefix() && Topic::request("presence", "get").has_prefix());
    }

    #[test]
    #[should_panic(expected = "no token of a topic")]
    fn a_token_is_a_plain_name() {
        let _topic = Topic::request("presence", "get.*");
    }
}
