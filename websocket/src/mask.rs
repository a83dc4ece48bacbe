//! Masking of payloads (RFC 6455 section 5.3), which is its own inverse.

/// Bytes that are masked at a time: what the compiler turns into a few vector registers.
const BLOCK: usize = 64;

/// Masks or unmasks in place. `offset` is where `payload` begins in the whole payload of its frame.
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: usize) {
    // By arithmetic: a key that is written byte by byte and read in words has to wait for memory.
    let key = u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32);
    let word = u64::from(key) * 0x1_0000_0001;
    let (blocks, rest) = payload.as_chunks_mut::<BLOCK>();
    for block in blocks {
        mask_words(block.as_chunks_mut().0, word);
    }
    let (words, rest) = rest.as_chunks_mut();
    mask_words(words, word);
    for (byte, key) in rest.iter_mut().zip(word.to_le_bytes()) {
        *byte ^= key;
    }
}

fn mask_words(words: &mut [[u8; 8]], key: u64) {
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
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
