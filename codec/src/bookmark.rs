//! What a client has seen of channels, as a short text that it brings back: the id of a server-sent event.
//!
//! In: positions by channel. Out: text of letters, digits, `-` and `_`, and from such a text the position of a channel
//! that is asked for. The text names no channel, only a part of the digest of its name, so it can be looked up and not be
//! read. It is checked, not signed: a client that makes up positions is judged as one that says them in its `connect`.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::StreamPosition;

/// The first byte of what these texts hold.
const VERSION: u8 = 1;

/// Bytes of a digest that stand for a channel, and that hold the whole together.
const PART: usize = 8;

/// The longest text that is written or read.
const LIMIT: usize = 8 * 1024;

/// What one client has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bookmark(HashMap<[u8; PART], StreamPosition>);

impl Bookmark {
    /// Reads a text of [`Bookmark::text`]; `None` for any other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LIMIT {
            return None;
        }
        let bytes = BASE64.decode(text).ok()?;
        let (bytes, check) = bytes.split_last_chunk()?;
        if part(bytes) != *check {
            return None;
        }
        let mut rest = Rest(bytes);
        let mut seen = HashMap::new();
        (rest.byte()? == VERSION).then_some(())?;
        while !rest.0.is_empty() {
            let epoch = usize::try_from(rest.number()?).ok()?;
            let epoch = std::str::from_utf8(rest.bytes(epoch)?).ok()?;
            for _ in 0..rest.number()? {
                let channel = *rest.bytes(PART)?.first_chunk()?;
                let position = StreamPosition {
                    offset: rest.number()?,
                    epoch: epoch.to_owned(),
                };
                seen.insert(channel, position);
            }
        }
        Some(Self(seen))
    }

    /// The text for positions by channel; `None` when there are none, or too many for one text.
    #[must_use]
    pub fn text<'a>(positions: impl Iterator<Item = (&'a str, StreamPosition)>) -> Option<String> {
        let mut epochs = Vec::<(String, Vec<u8>, u64)>::new();
        for (channel, position) in positions {
            let StreamPosition { offset, epoch } = position;
            let at = epochs.iter().position(|(known, ..)| *known == epoch);
            let at = at.unwrap_or_else(|| {
                epochs.push((epoch, Vec::new(), 0));
                epochs.len() - 1
            });
            let (_, entries, count) = &mut epochs[at];
            entries.extend(part(channel.as_bytes()));
            write_number(entries, offset);
            *count += 1;
        }
        let mut bytes = vec![VERSION];
        for (epoch, entries, count) in &epochs {
            write_number(&mut bytes, epoch.len() as u64);
            bytes.extend(epoch.as_bytes());
            write_number(&mut bytes, *count);
            bytes.extend(entries);
        }
        bytes.extend(part(&bytes));
        let text = BASE64.encode(bytes);
        (!epochs.is_empty() && text.len() <= LIMIT).then_some(text)
    }

    /// Up to where the client has seen a channel.
    #[must_use]
    pub fn position(&self, channel: &str) -> Option<&StreamPosition> {
        self.0.get(&part(channel.as_bytes()))
    }
}

/// The first bytes of a digest.
fn part(bytes: &[u8]) -> [u8; PART] {
    let digest = digest(&SHA256, bytes);
    let part = digest.as_ref().first_chunk();
    *part.expect("a digest is longer than that")
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number in groups of seven bits, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(epoch: &str, offset: u64) -> StreamPosition {
        let epoch = epoch.to_owned();
        StreamPosition { offset, epoch }
    }

    #[test]
    fn positions_come_back_as_they_were() {
        let table = [
            ("chat:a", "e1", 0),
            ("chat:b", "e1", 127),
            ("chat:c", "e1", 128),
            ("news", "another epoch", u64::MAX),
            ("", "", 7),
        ];
        let positions = table.map(|(channel, epoch, offset)| (channel, position(epoch, offset)));
        let text = Bookmark::text(positions.into_iter()).unwrap();
        let seen = Bookmark::parse(&text).unwrap();
        for (channel, epoch, offset) in table {
            let epoch = epoch.to_owned();
            assert_eq!(
                seen.position(channel),
                Some(&StreamPosition { offset, epoch })
            );
        }
        assert_eq!(seen.position("chat:d"), None);
        assert_eq!(Bookmark::text(std::iter::empty()), None);
    }

    #[test]
    fn any_change_is_noticed() {
        let text = Bookmark::text([("chat:a", position("e1", 300))].into_iter()).unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last letter has bits that mean nothing, which must be zero.
            assert_eq!(Bookmark::parse(&changed), None, "{changed}");
            assert_eq!(Bookmark::parse(&text[..at]), None, "{at}");
        }
        assert_eq!(Bookmark::parse(&"A".repeat(LIMIT + 1)), None);
    }

    #[test]
    fn what_is_whole_but_makes_no_sense_is_refused() {
        for content in [
            &[][..],
            &[2],
            &[VERSION, 5],
            &[VERSION, 1, 0xff, 0],
            &[VERSION, 0, 200, 1],
            &[
                VERSION, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
            &[VERSION, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8],
        ] {
            let text = BASE64.encode([content, &part(content)].concat());
            assert_eq!(Bookmark::parse(&text), None, "{content:?}");
        }
    }

    #[test]
    fn more_than_fits_has_no_text() {
        let names: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
        let text = |count| {
            Bookmark::text(
                names
                    .iter()
                    .take(count)
                    .map(|it| (it.as_str(), position("e", 1))),
            )
        };
        assert!(text(128).unwrap().len() < 2_000);
        assert_eq!(text(1_000), None);
    }

    proptest::proptest! {
        #[test]
        fn any_content_is_read_or_refused(mut content: Vec<u8>) {
            content.insert(0, VERSION);
            let text = BASE64.encode([&*content, &part(&content)].concat());
            let _read = Bookmark::parse(&text);
            let _refused = Bookmark::parse(&BASE64.encode(&content));
        }
    }
}
