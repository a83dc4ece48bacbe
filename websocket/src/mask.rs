//! Masking of payloads (RFC 6455 section 5.3), which is its own inverse.

/// Bytes that are masked at a time: as much as the compiler turns into two or more vector registers.
const BLOCK: usize = 64;

/// Masks or unmasks in place. `offset` is where `payload` begins in the whole payload of its frame.
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: usize) {
    let mut key = key;
    key.rotate_left(offset % 4);
    let (blocks, rest) = payload.as_chunks_mut::<BLOCK>();
    if !blocks.is_empty() {
        let wide: [u8; BLOCK] = std::array::from_fn(|index| key[index % 4]);
        for block in blocks {
            for (byte, key) in block.iter_mut().zip(wide) {
                *byte ^= key;
            }
        }
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_offset_is_masked_byte_for_byte() {
        let key = [0x12, 0x34, 0x56, 0x78];
        for length in 0..200 {
            for offset in 0..9 {
                let mut payload: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
                let expected: Vec<u8> = (payload.iter().enumerate())
                    .map(|(index, byte)| byte ^ key[(index + offset) % 4])
                    .collect();
                mask(&mut payload, key, offset);
                assert_eq!(payload, expected, "{length} bytes from {offset}");
            }
        }
    }
}
