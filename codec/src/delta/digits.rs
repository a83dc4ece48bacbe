//! Numbers of the format: base 64, highest digit first.

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// Digits of `number`.
pub(super) fn count(number: u32) -> usize {
    let bits = (u32::BITS - number.leading_zeros()).max(1);
    bits.div_ceil(6) as usize
}

/// Appends `number` to `out`.
pub(super) fn push(out: &mut Vec<u8>, number: u32) {
    for place in (0..count(number)).rev() {
        let digit = (number >> (6 * place)) & 0x3F;
        out.push(DIGITS[digit as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_leading_zeros() {
        for (number, text) in [
            (0, "0"),
            (9, "9"),
            (10, "A"),
            (35, "Z"),
            (36, "_"),
            (37, "a"),
            (63, "~"),
            (64, "10"),
            (4095, "~~"),
            (4096, "100"),
            (u32::MAX, "3~~~~~"),
        ] {
            let mut out = Vec::new();
            push(&mut out, number);
            assert_eq!(out, text.as_bytes(), "{number}");
            assert_eq!(count(number), text.len(), "{number}");
        }
    }
}
