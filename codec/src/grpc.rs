//! A message of gRPC: whether it is compressed, its length, and what it says (gRPC over HTTP2, Length-Prefixed-Message).

use bytes::Bytes;

/// Bytes before a message.
pub const HEAD: usize = 5;

/// A body that is not one plain message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is compressed.
    #[error("messages cannot be compressed")]
    Compressed,
    /// It is cut off, or there is more than one.
    #[error("the body is not one message")]
    Malformed,
}

/// What the only message of a body says, as a slice of it.
///
/// # Errors
/// [`MessageError`].
pub fn only_message(body: &Bytes) -> Result<Bytes, MessageError> {
    let (head, message) = body
        .split_first_chunk::<HEAD>()
        .ok_or(MessageError::Malformed)?;
    let [flag, length @ ..] = *head;
    if flag != 0 {
        return Err(MessageError::Compressed);
    }
    match usize::try_from(u32::from_be_bytes(length)) == Ok(message.len()) {
        true => Ok(body.slice_ref(message)),
        false => Err(MessageError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_plain_message() {
        for (body, expected) in [
            (&b""[..], Err(MessageError::Malformed)),
            (b"\0\0\0\0", Err(MessageError::Malformed)),
            (b"\0\0\0\0\0", Ok(&b""[..])),
            (b"\0\0\0\0\x02ab", Ok(b"ab")),
            (b"\0\0\0\0\x02a", Err(MessageError::Malformed)),
            (b"\0\0\0\0\x01ab", Err(MessageError::Malformed)),
            (b"\0\xff\xff\xff\xff", Err(MessageError::Malformed)),
            (b"\x01\0\0\0\x01a", Err(MessageError::Compressed)),
        ] {
            let found = only_message(&Bytes::copy_from_slice(body));
            assert_eq!(found.as_deref(), expected.as_deref(), "{body:?}");
        }
    }
}
