//! To which trace something belongs, as it is written between programs: the `traceparent` of W3C Trace Context, level 1.
//! What a `tracestate` beside it says is not passed on, as section 3.3 allows.

use std::fmt;

/// The header's name.
pub const TRACE_HEADER: &str = "traceparent";

/// A span of some program, which what it caused belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Of the trace; not all zeros.
    pub trace_id: [u8; 16],
    /// Of the span; not all zeros.
    pub span_id: [u8; 8],
    /// Whether the trace is recorded.
    pub is_sampled: bool,
}

/// Bytes of version 00.
const LENGTH: usize = 55;

impl TraceContext {
    /// Reads a header's value; `None` if it is none. Of later versions than ours what we know is read (section 3.2.4).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (value, rest) = value.split_at_checked(LENGTH)?;
        let version = hex::<1>(&value[..2])?[0];
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let has_dashes = [2, 35, 52].iter().all(|at| value[*at] == b'-');
        if !is_whole || !has_dashes {
            return None;
        }
        let (trace_id, span_id) = (hex::<16>(&value[3..35])?, hex::<8>(&value[36..52])?);
        let flags = hex::<1>(&value[53..])?[0];
        let is_none = trace_id == [0; 16] || span_id == [0; 8];
        (!is_none).then_some(Self {
            trace_id,
            span_id,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Reads digits in lower case, as they have to be.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// As a header's value.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, span_id) = (
            u128::from_be_bytes(self.trace_id),
            u64::from_be_bytes(self.span_id),
        );
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_the_same() {
        for text in [
            SAMPLED,
            "00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-00",
        ] {
            let context = TraceContext::parse(text.as_bytes()).unwrap();
            assert_eq!(context.to_string(), text);
            assert_eq!(context.is_sampled, text.ends_with('1'));
        }
    }

    #[test]
    fn only_what_the_specification_allows_is_read() {
        let with = |range: std::ops::Range<usize>, part: &str| {
            let mut text = SAMPLED.to_owned();
            text.replace_range(range, part);
            text
        };
        for (text, is_read) in [
            (SAMPLED.to_owned(), true),
            (with(53..55, "ff"), true),
            (with(0..2, "01"), true),
            (with(0..2, "01") + "-what-comes-later", true),
            (with(0..2, "01") + "x", false),
            (with(0..2, "ff"), false),
            (SAMPLED.to_owned() + "-", false),
            (SAMPLED[..54].to_owned(), false),
            (SAMPLED.to_uppercase(), false),
            (with(3..35, &"0".repeat(32)), false),
            (with(36..52, &"0".repeat(16)), false),
            (with(2..3, "_"), false),
            (with(3..5, "é"), false),
            (String::new(), false),
        ] {
            let read = TraceContext::parse(text.as_bytes());
            assert_eq!(read.is_some(), is_read, "{text}");
        }
    }
}
