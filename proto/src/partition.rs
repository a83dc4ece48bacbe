//! To which partition a channel or a user belongs, as `schema/node.proto` says. It must be the same in every program of a
//! deployment, whatever its version.

/// What `version` is in every message of nodes.
pub const VERSION: u32 = 1;

/// How many partitions there are unless the deployment says otherwise.
pub const DEFAULT_PARTITIONS: u32 = 64;

/// More than this nobody takes: beats name each of them.
pub const MAX_PARTITIONS: u32 = 1024;

/// FNV-1a with 64 bits.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The partition of a channel's or a user's whole `name`. `partitions` is at least 1.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a remainder is below its divisor, which is 32 bits wide"
)]
pub fn partition(name: &str, partitions: u32) -> u32 {
    (fnv1a(name.as_bytes()) % u64::from(partitions.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv1a(text.as_bytes()), hash, "of {text:?}");
        }
    }

    #[test]
    fn names_keep_their_partition() {
        for (name, of) in [("", 37), ("a", 12), ("foobar", 40)] {
            assert_eq!(partition(name, 64), of, "of {name:?}");
        }
    }
}
