//! Protobuf's wire format by hand, so that golden messages do not come from the code under test.

/// A field that is a varint. Negative numbers are given as their two's complement.
pub(crate) fn number(field: u8, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A field of bytes, text, or a message with the given `value`.
pub(crate) fn bytes(field: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(u64::from(field) << 3 | 2), delimited(value)].concat()
}

/// A field that is a message of `parts`.
pub(crate) fn message(field: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    bytes(field, parts.concat())
}

/// A field that is one entry of a map of texts.
pub(crate) fn entry(field: u8, key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    message(field, &[bytes(1, key), bytes(2, value)])
}

/// A message after its length.
pub(crate) fn delimited(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    [varint(message.len() as u64), message.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[test]
fn agrees_with_bytes_written_down() {
    assert_eq!(number(1, 150), [0x08, 0x96, 0x01]);
    assert_eq!(
        number(7, u64::MAX),
        b"\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    );
    assert_eq!(message(4, &[bytes(1, "t")]), b"\x22\x03\x0a\x01t");
    assert_eq!(entry(3, "k", "v"), b"\x1a\x06\x0a\x01k\x12\x01v");
    assert_eq!(delimited(""), [0]);
}
