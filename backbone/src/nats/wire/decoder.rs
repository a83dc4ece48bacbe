//! What a server says, as operations.
//!
//! In: bytes in pieces of any size. Out: operations that borrow them, so that nothing is copied or allocated here. A
//! server that does not keep to the protocol, or to these bounds, is an error: nothing after it can be understood.

use bytes::{Buf, BytesMut};

use super::ServerInfo;

/// The longest line: subjects that servers rewrite, and lists of many servers.
const MAX_LINE: usize = 256 * 1024;

/// The largest message. A server refuses larger settings of `max_payload` by default.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// How much is read at once, and room for it is kept.
const READ_SIZE: usize = 64 * 1024;

/// A buffer that had to hold a large message is not kept.
const MAX_KEPT: usize = 1024 * 1024;

const LINE_END: &[u8] = b"\r\n";

/// One operation of a server.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::nats) enum Operation<'a> {
    /// About itself: its first operation, and again when something changes.
    Info(Box<ServerInfo>),
    /// A message of the subscription with this number. Without headers the block is empty.
    Message {
        sid: u64,
        headers: &'a [u8],
        payload: &'a [u8],
    },
    Ping,
    Pong,
    /// Something went wrong; the connection may end.
    Error(String),
}

/// Why the bytes are not what a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::nats) enum WireError {
    #[error("a line of the server is too long")]
    Line,
    #[error("a message of the server is too large")]
    Size,
    #[error("the server says what is not in the protocol")]
    Unknown,
}

/// Bytes that were received and not yet understood.
#[derive(Debug, Default)]
pub(in crate::nats) struct Decoder {
    buffer: BytesMut,
    /// Of the buffer's first bytes, those of the operation that was given out last.
    used: usize,
}

/// A message's line.
#[derive(Debug, Clone, Copy)]
struct Head {
    sid: u64,
    headers: usize,
    total: usize,
}

#[derive(Debug, Clone, Copy)]
enum HasHeaders {
    Yes,
    No,
}

impl Decoder {
    /// Where to put more bytes.
    pub(in crate::nats) fn room(&mut self) -> &mut BytesMut {
        self.buffer.advance(self.used);
        self.used = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > MAX_KEPT {
            self.buffer = BytesMut::new();
        }
        self.buffer.reserve(READ_SIZE);
        &mut self.buffer
    }

    /// Whether everything was understood.
    pub(in crate::nats) fn is_empty(&self) -> bool {
        self.buffer.len() == self.used
    }

    /// The next operation; `None` when more bytes are needed.
    pub(in crate::nats) fn next(&mut self) -> Result<Option<Operation<'_>>, WireError> {
        let Some(end) = self.line_end()? else {
            return Ok(None);
        };
        let line = self.buffer[..end].trim_ascii();
        let verb_end = line.iter().position(u8::is_ascii_whitespace);
        let (verb, rest) = line.split_at(verb_end.unwrap_or(line.len()));
        let start = end + 1;
        self.used = start;
        Ok(Some(match verb {
            b"MSG" => return self.message(start, head(rest, HasHeaders::No)),
            b"HMSG" => return self.message(start, head(rest, HasHeaders::Yes)),
            b"PING" => Operation::Ping,
            b"PONG" => Operation::Pong,
            b"INFO" => {
                Operation::Info(serde_json::from_slice(rest).map_err(|_| WireError::Unknown)?)
            }
            b"-ERR" => Operation::Error(text(rest)),
            _ => return Err(WireError::Unknown),
        }))
    }

    /// Where the next line ends that says something.
    fn line_end(&mut self) -> Result<Option<usize>, WireError> {
        loop {
            self.buffer.advance(self.used);
            self.used = 0;
            match self.buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) if self.buffer[..end].trim_ascii() == b"+OK" => self.used = end + 1,
                Some(end) => return Ok(Some(end)),
                None if self.buffer.len() > MAX_LINE => return Err(WireError::Line),
                None => return Ok(None),
            }
        }
    }

    /// A message whose line takes the first `start` bytes.
    fn message(
        &mut self,
        start: usize,
        head: Option<Head>,
    ) -> Result<Option<Operation<'_>>, WireError> {
        let head = head.ok_or(WireError::Unknown)?;
        if head.total > MAX_MESSAGE {
            return Err(WireError::Size);
        }
        let end = start + head.total;
        if self.buffer.len() < end + LINE_END.len() {
            self.used = 0;
            self.buffer
                .reserve(end + LINE_END.len() - self.buffer.len());
            return Ok(None);
        }
        self.used = end + LINE_END.len();
        let (headers, payload) = self.buffer[start..end].split_at(head.headers);
        if !self.buffer[end..].starts_with(LINE_END) {
            return Err(WireError::Unknown);
        }
        Ok(Some(Operation::Message {
            sid: head.sid,
            headers,
            payload,
        }))
    }
}

/// What stands between the quotes.
fn text(quoted: &[u8]) -> String {
    let text = String::from_utf8_lossy(quoted);
    text.trim().trim_matches('\'').to_owned()
}

/// `<subject> <sid> [<reply>] [<size of headers>] <size of all>`, where `HMSG` alone has the size of headers.
fn head(line: &[u8], has_headers: HasHeaders) -> Option<Head> {
    let mut fields = [&[][..]; 5];
    let mut count = 0;
    for field in line
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
    {
        *fields.get_mut(count)? = field;
        count += 1;
    }
    let (headers, total) = match (has_headers, count) {
        (HasHeaders::No, 3 | 4) => (0, size(fields[count - 1])?),
        (HasHeaders::Yes, 4 | 5) => (size(fields[count - 2])?, size(fields[count - 1])?),
        _ => return None,
    };
    (headers <= total).then_some(Head {
        sid: number(fields[1])?,
        headers,
        total,
    })
}

fn size(digits: &[u8]) -> Option<usize> {
    usize::try_from(number(digits)?).ok()
}

fn number(digits: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    match digits {
        [] => None,
        digits => digits.iter().try_fold(0, add),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out of `bytes` that arrive in pieces of `piece`.
    fn decode(bytes: &[u8], piece: usize) -> Result<Vec<String>, WireError> {
        let (mut decoder, mut said) = (Decoder::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            decoder.room().extend_from_slice(piece);
            while let Some(operation) = decoder.next()? {
                said.push(match operation {
                    Operation::Message {
                        sid,
                        headers,
                        payload,
                    } => format!(
                        "{sid} {:?} {:?}",
                        headers.escape_ascii().to_string(),
                        payload.escape_ascii().to_string()
                    ),
                    other => format!("{other:?}"),
                });
            }
        }
        Ok(said)
    }

    #[test]
    fn operations_are_told_apart_in_pieces_of_any_size() {
        let bytes = b"+OK\r\nPING\r\nMSG a.b 7 3\r\nxyz\r\nMSG a 8 reply 2\r\n\r\n\r\nPONG\r\nMSG a 9 0\r\n\r\n\
            HMSG a 18446744073709551615 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG\ta  1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n\
            -ERR 'Unknown Protocol Operation'\r\n";
        let said = [
            "Ping",
            r#"7 "" "xyz""#,
            r#"8 "" "\\r\\n""#,
            "Pong",
            r#"9 "" """#,
            r#"18446744073709551615 "NATS/1.0\\r\\n\\r\\n" "hi""#,
            r#"1 "NATS/1.0\\r\\n\\r\\n" """#,
            r#"Error("Unknown Protocol Operation")"#,
        ];
        for piece in [1, 2, 3, 7, bytes.len()] {
            assert_eq!(decode(bytes, piece).unwrap(), said, "pieces of {piece}");
        }
    }

    #[test]
    fn a_server_tells_about_itself() {
        let mut decoder = Decoder::default();
        decoder.room().extend_from_slice(
            b"INFO {\"max_payload\":1000,\"nonce\":\"n\",\"connect_urls\":[\"a:1\"],\"else\":1}\r\n",
        );
        let info = ServerInfo {
            max_payload: 1000,
            nonce: "n".to_owned(),
            connect_urls: vec!["a:1".to_owned()],
            ..ServerInfo::default()
        };
        assert_eq!(decoder.next(), Ok(Some(Operation::Info(Box::new(info)))));
        assert_eq!(decoder.next(), Ok(None));
        assert!(decoder.is_empty());
    }

    #[test]
    fn what_is_not_in_the_protocol_is_an_error() {
        let table: [(&[u8], WireError); 14] = [
            (b"HELLO\r\n", WireError::Unknown),
            (b"\r\n", WireError::Unknown),
            (b"INFO {\r\n", WireError::Unknown),
            (b"MSG a 1\r\n", WireError::Unknown),
            (b"MSG a x 1\r\n", WireError::Unknown),
            (b"MSG a 1 -1\r\n", WireError::Unknown),
            (b"MSG a 18446744073709551616 1\r\n", WireError::Unknown),
            (b"MSG a 1 b c 1\r\n", WireError::Unknown),
            (b"MSG a 1 1\r\nab\r\n", WireError::Unknown),
            (b"HMSG a 1 1\r\n", WireError::Unknown),
            (b"HMSG a 1 3 2\r\n", WireError::Unknown),
            (b"HMSG a 1 b c 3 2\r\n", WireError::Unknown),
            (b"MSG a 1 67108865\r\n", WireError::Size),
            (&[b'a'; MAX_LINE + 1], WireError::Line),
        ];
        for (bytes, error) in table {
            let shown = bytes[..bytes.len().min(40)].escape_ascii();
            assert_eq!(decode(bytes, bytes.len()), Err(error), "{shown}");
        }
    }

    #[test]
    fn a_buffer_that_held_a_large_message_is_not_kept() {
        let (mut decoder, size) = (Decoder::default(), 4 * MAX_KEPT);
        let message = format!("MSG a 1 {size}\r\n{}\r\n", "x".repeat(size));
        for piece in message.as_bytes().chunks(READ_SIZE) {
            decoder.room().extend_from_slice(piece);
            let _wanting = decoder.next().unwrap();
        }
        assert!(decoder.is_empty());
        assert!(decoder.room().capacity() <= MAX_KEPT);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_panic_and_pieces_do_not_matter(
            parts in prop::collection::vec(prop_oneof![
                prop::sample::select(vec![
                    "MSG a 1 2\r\n", "HMSG a 1 1 2\r\n", "HMSG ", "MSG ", "\r\n", "xy", "9", " ", "PING\r\n",
                ]).prop_map(|text| text.as_bytes().to_vec()),
                prop::collection::vec(any::<u8>(), 0..4),
            ], 0..12),
            piece in 1_usize..9,
        ) {
            let bytes = parts.concat();
            let whole = decode(&bytes, bytes.len().max(1));
            prop_assert_eq!(decode(&bytes, piece), whole);
        }
    }
}
