//! Channel names as NATS subjects, and back.
//!
//! In: a [`Channel`]. Out: `<prefix>.pub.<namespace>.<name>`, so that `chat:room.7` is `tide.pub.chat.room.7`. A channel
//! without namespace has the token `_` there, and the `$` of a private channel stands before the name. No other file
//! spells a subject, and this one knows neither connections nor publications.
//!
//! The mapping is a bijection: only the form that [`Subjects::publication`] makes is read back, so two subjects never
//! name one channel and no channel name can reach a wildcard or a foreign subject.

use crate::channel::{Channel, is_namespace_name};
use crate::topic::Topic;

/// The first token of every subject, unless configuration says otherwise.
pub const DEFAULT_PREFIX: &str = "tide";

/// The token of channels without namespace; too short to be the name of one.
const NO_NAMESPACE: &str = "_";

/// The token of an empty local name. A `%` is otherwise always followed by two digits.
const EMPTY_NAME: &str = "%";

/// Before the name of a channel, the marks of single publications that were removed, and of all up to a place. No channel's
/// name begins so.
const REMOVED: &str = "%removed.";
const PURGED: &str = "%purged.";

/// The subjects under one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    prefix: String,
    publications: String,
    deliveries: String,
    streams: String,
    nodes: String,
    partitions: String,
}

/// The prefix cannot begin a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("subject prefix {0:?} is not one or more names of letters, digits, - and _ joined by dots")]
pub struct PrefixError(String);

impl Subjects {
    /// The subjects that begin with `prefix`.
    ///
    /// # Errors
    /// [`PrefixError`] unless every token of the prefix is a plain name.
    pub fn new(prefix: &str) -> Result<Self, PrefixError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_token = |token: &str| !token.is_empty() && token.bytes().all(is_plain);
        if !prefix.split('.').all(is_token) {
            return Err(PrefixError(prefix.to_owned()));
        }
        Ok(Self {
            prefix: format!("{prefix}."),
            publications: format!("{prefix}.pub."),
            deliveries: format!("{prefix}.out."),
            streams: format!("{}_", prefix.replace('.', "_")),
            nodes: format!("{prefix}.nodes"),
            partitions: format!("{prefix}.part."),
        })
    }

    /// The subject that publications of `channel` are published on.
    #[must_use]
    pub fn publication(&self, channel: &Channel) -> String {
        let mut subject = self.publications.clone();
        push_channel(&mut subject, channel);
        subject
    }

    /// The subject of a kept channel's marks of single publications that were removed.
    #[must_use]
    pub fn removed(&self, channel: &Channel) -> String {
        self.mark(REMOVED, channel)
    }

    /// The subject of a kept channel's marks of everything that was removed up to a place.
    #[must_use]
    pub fn purged(&self, channel: &Channel) -> String {
        self.mark(PURGED, channel)
    }

    fn mark(&self, mark: &str, channel: &Channel) -> String {
        let mut subject = self.publications.clone();
        subject.push_str(channel.namespace().unwrap_or(NO_NAMESPACE));
        subject.push('.');
        subject.push_str(mark);
        push_name(&mut subject, channel.is_private(), channel.local_name());
        subject
    }

    /// Whether `subject` is that of marks of single publications.
    #[must_use]
    pub fn is_removed(&self, subject: &str) -> bool {
        let rest = subject.strip_prefix(&self.publications);
        let name = rest.and_then(|rest| Some(rest.split_once('.')?.1));
        name.is_some_and(|name| name.starts_with(REMOVED))
    }

    /// The subject that publications of a kept `channel` are delivered on, once they are stored.
    #[must_use]
    pub fn delivery(&self, channel: &Channel) -> String {
        let publication = self.publication(channel);
        format!(
            "{}{}",
            self.deliveries,
            &publication[self.publications.len()..]
        )
    }

    /// The subjects of everything that is published in a namespace.
    #[must_use]
    pub fn publications_of(&self, namespace: Option<&str>) -> String {
        format!(
            "{}{}.>",
            self.publications,
            namespace.unwrap_or(NO_NAMESPACE)
        )
    }

    /// The subjects of everything that is delivered in a kept namespace.
    #[must_use]
    pub fn deliveries_of(&self, namespace: Option<&str>) -> String {
        format!("{}{}.>", self.deliveries, namespace.unwrap_or(NO_NAMESPACE))
    }

    /// The subject on which nodes tell each other how far the streams reach.
    #[must_use]
    pub fn nodes(&self) -> &str {
        &self.nodes
    }

    /// The name of a namespace's stream.
    #[must_use]
    pub fn stream(&self, namespace: Option<&str>) -> String {
        format!("{}{}", self.streams, namespace.unwrap_or(NO_NAMESPACE))
    }

    /// The name of the stream of a register's bucket, as NATS calls it.
    #[must_use]
    pub fn register_stream(&self, name: &str) -> String {
        format!("KV_{}", self.bucket(name))
    }

    /// What stands before the keys of a register.
    #[must_use]
    pub fn register(&self, name: &str) -> String {
        format!("$KV.{}.", self.bucket(name))
    }

    fn bucket(&self, name: &str) -> String {
        let prefix = self.prefix.trim_end_matches('.').replace('.', "_");
        format!("{prefix}-{name}")
    }

    /// The subject of what is said about `topic`.
    #[must_use]
    pub fn topic(&self, topic: &Topic) -> String {
        match topic.has_prefix() {
            true => format!("{}{topic}", self.prefix),
            false => topic.to_string(),
        }
    }

    /// The topic of what was said on `subject`.
    pub(crate) fn heard(&self, subject: &str) -> Option<Topic> {
        let topic = Topic::heard(subject.strip_prefix(&self.prefix).unwrap_or(subject));
        (self.topic(&topic) == subject).then_some(topic)
    }

    /// The name of the stream of one partition of a namespace.
    #[must_use]
    pub fn partition_stream(&self, namespace: Option<&str>, partition: u32) -> String {
        format!("{}@{partition}", self.stream(namespace))
    }

    /// The subjects to which the servers map what is published in one partition of a namespace.
    #[must_use]
    pub fn partition(&self, namespace: Option<&str>, partition: &str) -> String {
        let namespace = namespace.unwrap_or(NO_NAMESPACE);
        format!("{}{namespace}.{partition}.>", self.partitions)
    }

    /// The line of a server's `mappings` that spreads a namespace over so many partitions.
    #[must_use]
    pub fn mapping(&self, namespace: Option<&str>, partitions: u32) -> String {
        let from = self.publications_of(namespace);
        let to = self.partition(namespace, &format!("{{{{partition({partitions})}}}}"));
        format!("\"{from}\": \"{to}\"")
    }

    /// The partition to which that line maps a channel: FNV-1a of its subject, as nats-server has it.
    #[must_use]
    pub fn partition_of(&self, channel: &Channel, partitions: u32) -> u32 {
        partition_of(&self.publication(channel), partitions)
    }

    /// A subject of a partition of a namespace. Nothing is published there.
    #[must_use]
    pub fn probe(&self, namespace: Option<&str>, partition: u32, partitions: u32) -> String {
        let namespace = namespace.unwrap_or(NO_NAMESPACE);
        let subject = |number: u32| format!("{}{namespace}.{number}", self.publications);
        let is_there = |subject: &String| partition_of(subject, partitions) == partition;
        let mut subjects = (0..).map(subject);
        subjects
            .find(is_there)
            .expect("every partition has subjects")
    }

    /// The channel whose publications are published on `subject`, if there is one.
    #[must_use]
    pub fn channel(&self, subject: &str) -> Option<Channel> {
        let (namespace, token) = subject.strip_prefix(&self.publications)?.split_once('.')?;
        let (mark, name) = match token.strip_prefix('$') {
            Some(name) => ("$", name),
            None => ("", token),
        };
        let name = unescape(if name == EMPTY_NAME { "" } else { name })?;
        let channel = match namespace {
            NO_NAMESPACE => Channel::parse(&format!("{mark}{name}")),
            _ if is_namespace_name(namespace) => {
                Channel::parse(&format!("{mark}{namespace}:{name}"))
            }
            _ => return None,
        };
        channel
            .ok()
            .filter(|channel| self.publication(channel) == subject)
    }
}

fn partition_of(subject: &str, partitions: u32) -> u32 {
    let hash = subject.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash % partitions
}

/// Adds the tokens of a channel: its namespace, and its name, escaped where it has to be.
pub(crate) fn push_channel(subject: &mut String, channel: &Channel) {
    subject.push_str(channel.namespace().unwrap_or(NO_NAMESPACE));
    subject.push('.');
    push_name(subject, channel.is_private(), channel.local_name());
}

fn push_name(subject: &mut String, is_private: bool, name: &str) {
    match (is_private, name) {
        (true, _) => subject.push('$'),
        (false, "") => subject.push_str(EMPTY_NAME),
        (false, _) => {}
    }
    let mut before = '.';
    for (at, character) in name.char_indices() {
        let is_last = at + character.len_utf8() == name.len();
        let escaped = match character {
            '.' => before == '.' || is_last,
            '$' => at == 0 && !is_private,
            '*' | '>' | '%' => true,
            _ => character.is_whitespace() || character.is_ascii_control(),
        };
        if escaped {
            escape(subject, character);
        } else {
            subject.push(character);
        }
        before = character;
    }
}

fn escape(subject: &mut String, character: char) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        subject.push('%');
        subject.push(char::from(DIGITS[usize::from(byte >> 4)]));
        subject.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subjects() -> Subjects {
        Subjects::new(DEFAULT_PREFIX).unwrap()
    }

    #[test]
    fn channels_have_the_documented_subjects() {
        let table = [
            ("chat:room.7", "tide.pub.chat.room.7"),
            ("news", "tide.pub._.news"),
            ("$chat:room", "tide.pub.chat.$room"),
            ("$", "tide.pub._.$"),
            ("$$", "tide.pub._.$$"),
            ("chat:", "tide.pub.chat.%"),
            ("$chat:", "tide.pub.chat.$"),
            ("chat:$room", "tide.pub.chat.%24room"),
            ("$chat:$room", "tide.pub.chat.$$room"),
            ("chat:a$b", "tide.pub.chat.a$b"),
            ("chat:%", "tide.pub.chat.%25"),
            ("chat:a:b#7,8", "tide.pub.chat.a:b#7,8"),
            ("a.*", "tide.pub._.a.%2A"),
            ("a.>", "tide.pub._.a.%3E"),
            ("a b\t\r\n\u{7f}", "tide.pub._.a%20b%09%0D%0A%7F"),
            (".", "tide.pub._.%2E"),
            (".a..b.", "tide.pub._.%2Ea.%2Eb%2E"),
            ("$.a", "tide.pub._.$%2Ea"),
            ("grüße.日本", "tide.pub._.grüße.日本"),
            ("a\u{a0}b\u{3000}", "tide.pub._.a%C2%A0b%E3%80%80"),
        ];
        for (name, subject) in table {
            let channel = Channel::parse(name).unwrap();
            assert_eq!(subjects().publication(&channel), subject, "of {name:?}");
            assert_eq!(subjects().channel(subject), Some(channel), "of {subject:?}");
        }
    }

    #[test]
    fn a_kept_channel_has_a_subject_to_listen_to() {
        let room = Channel::parse("$chat:room.7").unwrap();
        assert_eq!(subjects().delivery(&room), "tide.out.chat.$room.7");
        assert_eq!(subjects().removed(&room), "tide.pub.chat.%removed.$room.7");
        assert_eq!(subjects().purged(&room), "tide.pub.chat.%purged.$room.7");
        assert!(subjects().is_removed(&subjects().removed(&room)));
        assert!(!subjects().is_removed(&subjects().purged(&room)));
        assert_eq!(subjects().publications_of(Some("chat")), "tide.pub.chat.>");
        assert_eq!(subjects().deliveries_of(None), "tide.out._.>");
        let acme = Subjects::new("acme.tide").unwrap();
        assert_eq!(acme.stream(Some("chat")), "acme_tide_chat");
        assert_eq!(acme.stream(None), "acme_tide__");
    }

    /// What nats-server 2.15.1 makes of them.
    #[test]
    fn a_channel_has_the_partition_that_servers_map_it_to() {
        let subjects = subjects();
        for (name, partition) in [
            ("big:a", 1),
            ("big:room.7", 2),
            ("big:x2", 0),
            ("big:x3", 3),
        ] {
            let channel = Channel::parse(name).unwrap();
            assert_eq!(subjects.partition_of(&channel, 4), partition, "{name}");
        }
        assert_eq!(
            subjects.mapping(Some("big"), 4),
            r#""tide.pub.big.>": "tide.part.big.{{partition(4)}}.>""#
        );
        assert_eq!(subjects.partition_stream(Some("big"), 3), "tide_big@3");
    }

    #[test]
    fn only_the_canonical_subject_is_read() {
        let strangers = [
            "tide.pub._.%61",        // needs no escape
            "tide.pub._.%2a",        // lower-case digits
            "tide.pub._.a%2Eb",      // a dot that makes no empty token
            "tide.pub._.%removed.a", // marks
            "tide.pub._.%purged.a",
            "tide.pub._.a*",       // needs an escape
            "tide.pub._.%24a",     // names the private channel `$a`
            "tide.pub.chat.$%24a", // a private name keeps its `$`
            "tide.pub._.%FF",      // no UTF-8
            "tide.pub._.%2",
            "tide.pub._.%",
            "tide.pub._.$%",
            "tide.pub._.",
            "tide.pub.c.a",
            "tide.pub.ch at.a",
            "tide.pub.chat",
            "tide.out.chat.a",
            "other.pub.chat.a",
        ];
        for subject in strangers {
            assert_eq!(subjects().channel(subject), None, "of {subject:?}");
        }
    }

    #[test]
    fn a_prefix_is_plain_names() {
        for prefix in ["tide", "acme.tide", "a-b_c.9"] {
            assert!(Subjects::new(prefix).is_ok(), "{prefix:?}");
        }
        for prefix in ["", ".", "a.", "*", "a.>", "a b", "ä"] {
            assert!(Subjects::new(prefix).is_err(), "{prefix:?}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => prop::sample::select(vec![
                ".", "*", ">", "%", "$", "#", ":", ",", " ", "\t", "\r", "\n", "\0", "\u{7f}", "_", "a", "2E", "%2E",
                "ü", "\u{a0}", "\u{85}", "\u{2028}", "chat:", "💧",
            ]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_channel_comes_back(name in name()) {
            if let Ok(channel) = Channel::parse(&name) {
                let subject = subjects().publication(&channel);
                prop_assert_eq!(subjects().channel(&subject), Some(channel));
            }
        }

        #[test]
        fn every_subject_is_literal(name in name()) {
            if let Ok(channel) = Channel::parse(&name) {
                let subject = subjects().publication(&channel);
                prop_assert!(!subject.chars().any(|c| c.is_whitespace() || c.is_ascii_control() || matches!(c, '*' | '>')));
                prop_assert!(subject.split('.').all(|token| !token.is_empty()));
            }
        }

        #[test]
        fn what_is_read_is_spelt_the_same(tail in name()) {
            let subject = format!("tide.pub._.{tail}");
            if let Some(channel) = subjects().channel(&subject) {
                prop_assert_eq!(subjects().publication(&channel), subject);
            }
        }
    }
}
