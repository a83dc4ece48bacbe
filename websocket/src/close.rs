//! What a close frame says (RFC 6455 sections 5.5.1 and 7.4).

use bytes::Bytes;

use crate::Violation;

/// Code and text of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// One that may be sent: registered, or for libraries and applications (3000 to 4999).
    pub code: u16,
    /// UTF-8 of at most 123 bytes.
    pub text: Bytes,
}

impl CloseReason {
    /// Reads the payload of a close frame, which may be empty.
    pub(crate) fn read(payload: &[u8]) -> Result<Option<Self>, Violation> {
        let (code, text) = match payload {
            [] => return Ok(None),
            [_] => return Err(Violation::protocol("close code is cut off")),
            [first, second, text @ ..] => (u16::from_be_bytes([*first, *second]), text),
        };
        if !may_be_sent(code) {
            return Err(Violation::protocol("close code may not be sent"));
        }
        if std::str::from_utf8(text).is_err() {
            return Err(Violation::invalid("close reason is not UTF-8"));
        }
        let text = Bytes::copy_from_slice(text);
        Ok(Some(Self { code, text }))
    }
}

/// Section 7.4.2 and IANA's registry: 1004 is reserved; 1005, 1006 and 1015 are for programs to tell themselves.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_payloads_are_judged() {
        type Read<'a> = Result<Option<(u16, &'a str)>, u16>;
        let cases: [(&[u8], Read); 19] = [
            (b"", Ok(None)),
            (b"\x03", Err(1002)),
            (b"\x03\xe8", Ok(Some((1000, "")))),
            (b"\x03\xe8bye", Ok(Some((1000, "bye")))),
            (b"\x03\xe8\xff", Err(1007)),
            (b"\x03\xe8\xc3", Err(1007)),
            (b"\x00\x00", Err(1002)),
            (b"\x03\xe7", Err(1002)),
            (b"\x03\xeb", Ok(Some((1003, "")))),
            (b"\x03\xec", Err(1002)),
            (b"\x03\xed", Err(1002)),
            (b"\x03\xee", Err(1002)),
            (b"\x03\xf6", Ok(Some((1014, "")))),
            (b"\x03\xf7", Err(1002)),
            (b"\x0b\xb7", Err(1002)),
            (b"\x0b\xb8", Ok(Some((3000, "")))),
            (b"\x13\x87", Ok(Some((4999, "")))),
            (b"\x13\x88", Err(1002)),
            (b"\xff\xff", Err(1002)),
        ];
        for (payload, expected) in cases {
            let read = CloseReason::read(payload);
            let expected = expected.map(|reason| {
                let reason = reason.map(|(code, text)| (code, text.into()));
                reason.map(|(code, text)| CloseReason { code, text })
            });
            assert_eq!(
                read.map_err(|violation| violation.code),
                expected,
                "{payload:x?}"
            );
        }
    }
}
