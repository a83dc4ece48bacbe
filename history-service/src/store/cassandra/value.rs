//! Values as columns have them.

use scylla::value::CqlVarint;

use crate::store::StoreError;

/// Copies of the list of names: each has its part of them, so that none grows without end.
pub(super) const SHARDS: i8 = 16;

/// The name that stands for channels without a namespace; no namespace has so short a name.
const NO_NAMESPACE: &str = "_";

/// A sequence. Its shortest spelling, since two spellings would be two keys.
pub(super) fn sequence(number: u64) -> CqlVarint {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(7).take_while(|it| **it == 0).count();
    let mut shortest = bytes[zeros..].to_vec();
    // The first bit is the sign.
    if shortest[0] > 0x7f {
        shortest.insert(0, 0);
    }
    CqlVarint::from_signed_bytes_be(shortest)
}

/// Reads a sequence.
pub(super) fn number(sequence: &CqlVarint) -> Result<u64, StoreError> {
    let bytes = sequence.as_signed_bytes_be_slice();
    let wrong = || StoreError::Broken("a sequence is out of its range".to_owned());
    let digits = match bytes {
        [0, digits @ ..] => digits,
        [first, ..] if *first <= 0x7f => bytes,
        _ => return Err(wrong()),
    };
    let begin = 8_usize.checked_sub(digits.len()).ok_or_else(wrong)?;
    let mut number = [0; 8];
    number[begin..].copy_from_slice(digits);
    Ok(u64::from_be_bytes(number))
}

/// The bucket that a sequence is in.
pub(super) fn bucket(sequence: u64, width: u64) -> i64 {
    i64::try_from(sequence / width.max(2)).expect("half of what a u64 holds is an i64")
}

/// Bytes or milliseconds.
pub(super) fn size(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads bytes or milliseconds.
pub(super) fn size_of(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

pub(super) fn namespace(namespace: Option<&str>) -> &str {
    namespace.unwrap_or(NO_NAMESPACE)
}

pub(super) fn namespace_of(text: &str) -> Option<String> {
    (text != NO_NAMESPACE).then(|| text.to_owned())
}

/// The part of the list that a name is in, by FNV-1a, whose upper bits need some mixing: it must never change.
pub(super) fn shard(channel: &str) -> i8 {
    let hash = channel
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    i8::try_from(mixed >> 60).expect("four bits are an i8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_come_back_in_their_shortest_spelling() {
        for (it, length) in [
            (0, 1),
            (1, 1),
            (127, 1),
            (128, 2),
            (255, 2),
            (256, 2),
            (32_768, 3),
            (i64::MAX as u64, 8),
            (u64::MAX, 9),
        ] {
            let spelled = sequence(it);
            assert_eq!(spelled.as_signed_bytes_be_slice().len(), length, "{it}");
            assert_eq!(number(&spelled), Ok(it));
        }
        for wrong in [&[0xff][..], &[], &[1; 9], &[0, 1, 1, 1, 1, 1, 1, 1, 1, 1]] {
            let wrong = CqlVarint::from_signed_bytes_be(wrong.to_vec());
            assert!(number(&wrong).is_err());
        }
    }

    #[test]
    fn names_are_spread_over_all_shards_and_stay_where_they_are() {
        let shards: std::collections::BTreeSet<_> =
            (0..1_000).map(|it| shard(&format!("room:{it}"))).collect();
        assert_eq!(shards, (0..SHARDS).collect());
        assert_eq!((shard("chat:lobby"), shard("a")), (10, 14));
    }

    #[test]
    fn the_largest_sequence_has_a_bucket() {
        assert_eq!(bucket(u64::MAX, 0), i64::MAX);
        assert_eq!((bucket(99, 100), bucket(100, 100)), (0, 1));
    }
}
