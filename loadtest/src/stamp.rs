//! The stamp in every payload: which channel, which number in it, and when it was meant to be sent.
//!
//! Fixed in width and plain ASCII, so that any dialect carries it unescaped and a receiver finds it by a byte scan, without
//! parsing what is around it. It knows no dialect.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// What a stamp begins with.
const MARK: &[u8] = b"@tide:";

/// Hexadecimal digits of the channel, the sequence and the time.
const DIGITS: [usize; 3] = [8, 8, 16];

/// The bytes of a stamp.
pub const LENGTH: usize = MARK.len() + 8 + 8 + 16;

/// What is around a stamp in a payload that is a JSON document.
const BEFORE: &[u8] = b"{\"s\":\"";
const PADDING: &[u8] = b"\",\"p\":\"";
const AFTER: &[u8] = b"\"}";

/// The smallest payload that has room for a stamp.
pub const SMALLEST: usize = BEFORE.len() + LENGTH + PADDING.len() + AFTER.len();

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// One message's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The number of its channel in the plan.
    pub channel: u32,
    /// Its number in the channel, from 1 on.
    pub sequence: u32,
    /// When it was meant to be sent, in nanoseconds of [`crate::clock::now`].
    pub intended: u64,
}

impl Stamp {
    /// Writes a JSON document with this stamp that is `size` bytes long, or [`SMALLEST`] if that is more.
    pub fn write(&self, size: usize, payload: &mut Vec<u8>) {
        payload.clear();
        payload.extend_from_slice(BEFORE);
        payload.extend_from_slice(MARK);
        for (value, digits) in self.fields().into_iter().zip(DIGITS) {
            hexadecimal(value, digits, payload);
        }
        payload.extend_from_slice(PADDING);
        payload.resize(size.max(SMALLEST) - AFTER.len(), b'x');
        payload.extend_from_slice(AFTER);
    }

    /// The first stamp in these bytes, and where it ends.
    #[must_use]
    pub fn find(bytes: &[u8]) -> Option<(Self, usize)> {
        let start = FINDER.find(bytes)? + MARK.len();
        let digits = bytes.get(start..start + LENGTH - MARK.len())?;
        let stamp = Self {
            channel: u32::try_from(number(&digits[..8])?).ok()?,
            sequence: u32::try_from(number(&digits[8..16])?).ok()?,
            intended: number(&digits[16..])?,
        };
        Some((stamp, start + digits.len()))
    }

    fn fields(self) -> [u64; 3] {
        [self.channel.into(), self.sequence.into(), self.intended]
    }
}

fn hexadecimal(value: u64, digits: usize, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        let digit = (value >> (4 * place)) as usize & 15;
        out.push(b"0123456789abcdef"[digit]);
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        channel: 7,
        sequence: 0xdead_beef,
        intended: u64::MAX - 1,
    };

    #[test]
    fn a_payload_is_json_of_the_size_asked_for() {
        for (size, expected) in [
            (0, SMALLEST),
            (SMALLEST, SMALLEST),
            (128, 128),
            (1024, 1024),
        ] {
            let mut payload = Vec::new();
            STAMP.write(size, &mut payload);
            assert_eq!(payload.len(), expected);
            serde_json::from_slice::<serde_json::Value>(&payload).unwrap();
        }
    }

    #[test]
    fn a_stamp_is_found_wherever_it_stands() {
        let mut payload = Vec::new();
        STAMP.write(100, &mut payload);
        let twice = [
            b"{\"push\":".as_slice(),
            &payload,
            b"}\n{\"push\":",
            &payload,
        ]
        .concat();
        let (first, end) = Stamp::find(&twice).unwrap();
        let (second, _) = Stamp::find(&twice[end..]).unwrap();
        assert_eq!([first, second], [STAMP, STAMP]);
    }

    #[test]
    fn what_is_cut_or_not_hexadecimal_is_no_stamp() {
        let mut payload = Vec::new();
        STAMP.write(100, &mut payload);
        let cut = &payload[..BEFORE.len() + LENGTH - 1];
        assert_eq!(Stamp::find(cut), None);
        payload[BEFORE.len() + MARK.len()] = b'g';
        assert_eq!(Stamp::find(&payload), None);
        assert_eq!(Stamp::find(b"no stamp at all"), None);
    }
}
