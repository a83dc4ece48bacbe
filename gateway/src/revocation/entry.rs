//! One entry of the list, and its key and value in the register.
//!
//! The key says what the entry is about: `blocked.<user>`, `token.<id>`, `issued.<user>` for all tokens of a user's connections,
//! `issued.<user>.<channel>` for those of a subscription. In names, other bytes than letters, digits, `-` and `_` are written
//! as `=` and two hexadecimal digits. The value is JSON with `expire_at` and `issued_before`, Unix times in seconds.

use std::fmt::Write;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidegate_backbone::register::MAX_KEY_BYTES;

/// What is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A user.
    User(String),
    /// The token with this id.
    Token(String),
    /// Tokens of a user that were issued before some time: of subscriptions to a channel, or of connections.
    Issued {
        user: String,
        channel: Option<String>,
    },
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) subject: Subject,
    /// When it is forgotten; `None` for never.
    pub(crate) expire_at: Option<i64>,
    /// Of [`Subject::Issued`]: tokens issued before are not taken.
    pub(crate) issued_before: i64,
}

/// A name makes a longer key than a register takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Value {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expire_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issued_before: Option<i64>,
}

impl Entry {
    pub(super) fn key(&self) -> String {
        self.subject.key()
    }

    pub(super) fn value(&self) -> Bytes {
        let is_issued = matches!(self.subject, Subject::Issued { .. });
        let value = Value {
            expire_at: self.expire_at,
            issued_before: is_issued.then_some(self.issued_before),
        };
        let text = serde_json::to_vec(&value);
        text.expect("numbers are always JSON").into()
    }
}

impl Subject {
    /// # Errors
    /// [`TooLong`]: there is no such entry.
    pub(crate) fn check(&self) -> Result<(), TooLong> {
        match self.key().len() <= MAX_KEY_BYTES {
            true => Ok(()),
            false => Err(TooLong),
        }
    }

    pub(super) fn key(&self) -> String {
        match self {
            Self::User(user) => key_of("blocked", user, None),
            Self::Token(id) => key_of("token", id, None),
            Self::Issued { user, channel } => key_of("issued", user, channel.as_deref()),
        }
    }

    /// What a key is about; `None` if it is none of the list.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once('.')?;
        let (name, channel) = match rest.split_once('.') {
            Some((name, channel)) => (name, Some(plain(channel)?)),
            None => (rest, None),
        };
        let name = plain(name)?;
        match (kind, channel) {
            ("blocked", None) => Some(Self::User(name)),
            ("token", None) => Some(Self::Token(name)),
            ("issued", channel) => Some(Self::Issued {
                user: name,
                channel,
            }),
            _ => None,
        }
    }

    /// The user whose connections it concerns, if that is known.
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::User(user) | Self::Issued { user, .. } => Some(user),
            Self::Token(_) => None,
        }
    }
}

/// The key of an entry about a name, and a channel.
pub(super) fn key_of(kind: &str, name: &str, channel: Option<&str>) -> String {
    let mut key = String::with_capacity(kind.len() + 1 + name.len());
    key.push_str(kind);
    for part in [Some(name), channel].into_iter().flatten() {
        key.push('.');
        for byte in part.bytes() {
            match byte {
                b'-' | b'_' => key.push(byte.into()),
                byte if byte.is_ascii_alphanumeric() => key.push(byte.into()),
                byte => write!(key, "={byte:02X}").expect("text takes everything"),
            }
        }
    }
    key
}

/// The name that was written so.
fn plain(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'=' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use tidegate_backbone::register::is_key;

    use super::*;

    #[test]
    fn keys_tell_all_names_apart_and_are_read_back() {
        let user = |name: &str| Subject::User(name.to_owned());
        let issued = |user: &str, channel: Option<&str>| Subject::Issued {
            user: user.to_owned(),
            channel: channel.map(str::to_owned),
        };
        for (subject, key) in [
            (user("42"), "blocked.42"),
            (user("a.b"), "blocked.a=2Eb"),
            (user("a=2Eb"), "blocked.a=3D2Eb"),
            (user("ann@example.com"), "blocked.ann=40example=2Ecom"),
            (user("ä"), "blocked.=C3=A4"),
            (user("* >"), "blocked.=2A=20=3E"),
            (Subject::Token("x-1_Y".to_owned()), "token.x-1_Y"),
            (issued("a", None), "issued.a"),
            (issued("a", Some("chat:b.c")), "issued.a.chat=3Ab=2Ec"),
        ] {
            assert_eq!(subject.key(), key);
            assert!(is_key(key), "{key}");
            assert_eq!(Subject::of_key(key), Some(subject), "{key}");
        }
    }

    #[test]
    fn other_keys_are_about_nothing() {
        for key in [
            "blocked",
            "blocked.",
            "blocked.a.b",
            "token.a.b",
            "blocked.=",
            "blocked.=4",
            "blocked.=ZZ",
            "blocked.=FF",
            "other.a",
            "issued.a.b.c.=",
        ] {
            assert_eq!(Subject::of_key(key), None, "{key}");
        }
    }

    #[test]
    fn names_that_are_too_long_are_refused() {
        for (name, expected) in [
            ("x".repeat(1_000), Ok(())),
            ("x".repeat(1_020), Err(TooLong)),
            ("ä".repeat(200), Err(TooLong)),
        ] {
            assert_eq!(Subject::User(name).check(), expected);
        }
    }
}
