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
        subject: &'a [u8],
        /// Where to answer; empty when nobody asks.
        reply: &'a [u8],
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
    has_reply: bool,
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
        let line = self.buffer[..start].trim_ascii();
        let fields = line.split(u8::is_ascii_whitespace);
        let mut fields = fields.filter(|field| !field.is_empty()).skip(1);
        let subject = fields.next();
        let reply = fields.nth(1).filter(|_| head.has_reply);
        let (headers, payload) = self.buffer[start..end].split_at(head.headers);
        if !self.buffer[end..].starts_with(LINE_END) {
            return Err(WireError::Unknown);
        }
        Ok(Some(Operation::Message {
            sid: head.sid,
            subject: subject.unwrap_or_default(),
            reply: reply.unwrap_or_default(),
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
    let without_reply = match has_headers {
        HasHeaders::No => 3,
        HasHeaders::Yes => 4,
    };
    (headers <= total).then_some(Head {
        sid: number(fields[1])?,
        has_reply: count > without_reply,
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
mod tests;
