//! The checksum that closes a patch: the target's bytes as big-endian words, padded with zeros, added up.

pub(super) fn checksum(data: &[u8]) -> u32 {
    let mut words = data.chunks_exact(4);
    let sum = words.by_ref().fold(0_u32, |sum, word| {
        sum.wrapping_add(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    });
    let mut last = [0; 4];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    sum.wrapping_add(u32::from_be_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_added_and_the_last_is_padded() {
        for (data, sum) in [
            (&b""[..], 0),
            (b"\x01", 0x0100_0000),
            (b"\x00\x00\x00\x01\x02\x03", 0x0203_0001),
            (b"\xff\xff\xff\xff\x00\x00\x00\x03", 2),
        ] {
            assert_eq!(checksum(data), sum, "{data:?}");
        }
    }
}
