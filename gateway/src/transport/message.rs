//! Puts a WebSocket message together from its fragments, within a bound on bytes and one on their number.

use actix_http::ws::CloseCode;
use bytes::{Bytes, BytesMut};

/// Fragments that one message may come in, or close 1009.
const FRAGMENT_LIMIT: usize = 1_024;

/// What a message is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

/// A message of either kind. Text is UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Text(Bytes),
    Binary(Bytes),
}

/// One data frame.
#[derive(Debug)]
pub(super) struct Fragment {
    /// `None` for a frame that continues a message.
    pub(super) begins: Option<Kind>,
    pub(super) last: bool,
    pub(super) data: BytesMut,
}

/// The fragments so far of the message under way, if there is one.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    under_way: Option<Kind>,
    count: usize,
    data: BytesMut,
}

impl Assembler {
    /// Bytes of the message under way.
    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// Takes one fragment; gives the message when it was the last one, or the code to close with.
    pub(super) fn take(
        &mut self,
        fragment: Fragment,
        limit: usize,
    ) -> Result<Option<Message>, CloseCode> {
        let kind = match (self.under_way, fragment.begins) {
            (None, Some(kind)) | (Some(kind), None) => kind,
            // RFC 6455 section 5.4: fragments of two messages are not mixed.
            (Some(_), Some(_)) | (None, None) => return Err(CloseCode::Protocol),
        };
        self.count += 1;
        if self.data.len() + fragment.data.len() > limit || self.count > FRAGMENT_LIMIT {
            return Err(CloseCode::Size);
        }
        if self.data.is_empty() {
            self.data = fragment.data;
        } else {
            self.data.extend_from_slice(&fragment.data);
        }
        if !fragment.last {
            self.under_way = Some(kind);
            return Ok(None);
        }
        let data = std::mem::take(self).data.freeze();
        match kind {
            Kind::Binary => Ok(Some(Message::Binary(data))),
            Kind::Text if std::str::from_utf8(&data).is_ok() => Ok(Some(Message::Text(data))),
            Kind::Text => Err(CloseCode::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 10;

    fn take(
        assembler: &mut Assembler,
        begins: Option<Kind>,
        data: &[u8],
        last: bool,
    ) -> Result<Option<Message>, CloseCode> {
        let fragment = Fragment {
            begins,
            last,
            data: data.into(),
        };
        assembler.take(fragment, LIMIT)
    }

    #[test]
    fn fragments_make_one_message() {
        let mut assembler = Assembler::default();
        let text = Some(Kind::Text);
        assert_eq!(take(&mut assembler, text, b"a\xc3", false), Ok(None));
        assert_eq!(take(&mut assembler, None, b"\xa4", false), Ok(None));
        let message = Message::Text("aäd".into());
        assert_eq!(take(&mut assembler, None, b"d", true), Ok(Some(message)));
        let binary = Some(Kind::Binary);
        let message = Message::Binary(Bytes::from_static(b"\xff"));
        assert_eq!(
            take(&mut assembler, binary, b"\xff", true),
            Ok(Some(message))
        );
    }

    #[test]
    fn messages_are_not_mixed() {
        let text = Some(Kind::Text);
        let mut assembler = Assembler::default();
        assert_eq!(
            take(&mut assembler, None, b"a", true),
            Err(CloseCode::Protocol)
        );
        assert_eq!(take(&mut assembler, text, b"a", false), Ok(None));
        assert_eq!(
            take(&mut assembler, text, b"a", true),
            Err(CloseCode::Protocol)
        );
    }

    #[test]
    fn text_is_utf_8() {
        let mut assembler = Assembler::default();
        let text = Some(Kind::Text);
        assert_eq!(
            take(&mut assembler, text, b"\xff", true),
            Err(CloseCode::Invalid)
        );
    }

    #[test]
    fn the_limit_is_on_the_message_not_on_the_fragment() {
        let mut assembler = Assembler::default();
        let text = Some(Kind::Text);
        assert_eq!(take(&mut assembler, text, b"12345", false), Ok(None));
        assert_eq!(take(&mut assembler, None, b"12345", false), Ok(None));
        assert_eq!(
            take(&mut assembler, None, b"1", false),
            Err(CloseCode::Size)
        );
    }

    #[test]
    fn empty_fragments_are_bounded_in_number() {
        let mut assembler = Assembler::default();
        assert_eq!(take(&mut assembler, Some(Kind::Text), b"", false), Ok(None));
        let taken = (0..)
            .take_while(|_| take(&mut assembler, None, b"", false) == Ok(None))
            .count();
        assert_eq!(taken, FRAGMENT_LIMIT - 1);
    }
}
