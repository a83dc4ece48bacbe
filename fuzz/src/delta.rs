//! Applies fossil patches, for the target that makes them.

/// What the patch makes of `base`; `None` when it is not well formed or its length or checksum is wrong.
pub fn apply(base: &[u8], patch: &[u8]) -> Option<Vec<u8>> {
    let mut rest = patch;
    let len = number(&mut rest)?;
    rest = rest.strip_prefix(b"\n")?;
    let mut out = Vec::new();
    loop {
        let count = number(&mut rest)?;
        let (command, after) = rest.split_first()?;
        rest = after;
        match command {
            b'@' => {
                let offset = number(&mut rest)?;
                rest = rest.strip_prefix(b",")?;
                out.extend_from_slice(base.get(offset..offset.checked_add(count)?)?);
            }
            b':' => {
                let (bytes, after) = rest.split_at_checked(count)?;
                out.extend_from_slice(bytes);
                rest = after;
            }
            b';' => {
                let whole = rest.is_empty() && out.len() == len && sum(&out) == count;
                return whole.then_some(out);
            }
            _ => return None,
        }
    }
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    let mut value: Option<usize> = None;
    while let Some((first, after)) = rest.split_first() {
        let Some(digit) = DIGITS.iter().position(|digit| digit == first) else {
            break;
        };
        value = Some(value.unwrap_or(0).checked_mul(64)? + digit);
        *rest = after;
    }
    value
}

fn sum(data: &[u8]) -> usize {
    let weighted = data.iter().enumerate();
    let total: u64 = weighted
        .map(|(at, byte)| u64::from(*byte) << (24 - 8 * (at % 4)))
        .sum();
    (total % (1 << 32)) as usize
}
