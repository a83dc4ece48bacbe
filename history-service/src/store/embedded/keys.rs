//! How keys are spelt. Parts stand behind their length, so that no two names make the same key; numbers stand with their
//! highest byte first, so that keys sort as they do.

use std::ops::RangeInclusive;

use tidegate_backbone::{Channel, Epoch};

use crate::store::{StoreError, StreamId};

/// Of a publication, and of a removed stretch: by its first offset.
pub(super) fn of_channel(channel: &Channel, epoch: &Epoch, offset: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(channel.as_str().len() + epoch.len() + 10);
    part(&mut key, channel.as_str());
    part(&mut key, epoch);
    key.extend(offset.to_be_bytes());
    key
}

/// Of a channel between two offsets.
pub(super) fn between(
    channel: &Channel,
    epoch: &Epoch,
    offsets: &RangeInclusive<u64>,
) -> RangeInclusive<Vec<u8>> {
    of_channel(channel, epoch, *offsets.start())..=of_channel(channel, epoch, *offsets.end())
}

/// Of a stream.
pub(super) fn of_stream(stream: &StreamId) -> Vec<u8> {
    let mut key = of_namespace(stream.namespace.as_deref());
    key.extend(stream.epoch.as_bytes());
    key
}

/// What the keys of a namespace's streams begin with.
pub(super) fn of_namespace(namespace: Option<&str>) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    part(&mut key, namespace.unwrap_or_default());
    key
}

/// The stream that a key is of.
pub(super) fn stream(key: &[u8]) -> Result<StreamId, StoreError> {
    let strange = || StoreError::Broken("a key of a stream cannot be read".to_owned());
    let (length, rest) = key.split_first().ok_or_else(strange)?;
    let (namespace, epoch) = rest
        .split_at_checked(usize::from(*length))
        .ok_or_else(strange)?;
    let namespace = std::str::from_utf8(namespace).map_err(|_| strange())?;
    let epoch = std::str::from_utf8(epoch).map_err(|_| strange())?;
    Ok(StreamId {
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        epoch: epoch.into(),
    })
}

/// Of what stands at a sequence of a stream.
pub(super) fn in_stream(stream: &StreamId, sequence: u64) -> Vec<u8> {
    let mut key = of_namespace(stream.namespace.as_deref());
    part(&mut key, &stream.epoch);
    key.extend(sequence.to_be_bytes());
    key
}

/// Of a removed stretch, by its last offset.
pub(super) fn by_end(stream: &StreamId, last: u64, channel: &Channel, first: u64) -> Vec<u8> {
    let mut key = in_stream(stream, last);
    part(&mut key, channel.as_str());
    key.extend(first.to_be_bytes());
    key
}

/// The number that a key or a value ends with.
pub(super) fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    let number = bytes.last_chunk().copied().map(u64::from_be_bytes);
    number.ok_or_else(|| StoreError::Broken("a number is too short".to_owned()))
}

fn part(key: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len());
    key.push(length.expect("channels and epochs are shorter than 256 bytes"));
    key.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_offset_and_no_name_is_the_beginning_of_another() {
        let key = |name: &str, epoch: &str, offset| {
            of_channel(&Channel::parse(name).unwrap(), &epoch.into(), offset)
        };
        assert!(key("a", "e", 255) < key("a", "e", 256));
        assert!(key("a", "e", u64::MAX) < key("a", "f", 0));
        assert_ne!(key("a", "be", 1), key("ab", "e", 1));
        assert!(!key("ab", "e", 1).starts_with(&key("a", "be", 1)[..3]));
    }

    #[test]
    fn a_stream_comes_back_from_its_key() {
        for namespace in [None, Some("chat".to_owned())] {
            let id = StreamId {
                namespace,
                epoch: "17abc".into(),
            };
            assert_eq!(stream(&of_stream(&id)), Ok(id));
        }
        assert!(stream(b"").is_err());
        assert!(stream(b"\x09chat").is_err());
    }
}
