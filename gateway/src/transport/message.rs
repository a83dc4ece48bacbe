//! Puts a WebSocket message together from its fragments, within a bound on bytes and one on their number.

use actix_http::ws::Item;
use bytes::{Bytes, BytesMut};

/// Fragments that one message may come in, or close 1009.
const FRAGMENT_LIMIT: usize = 1_024;

/// A message of either kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Text(Bytes),
    Binary(Bytes),
}

/// The message is over a limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The fragments so far of a message under way.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    text: bool,
    count: usize,
    data: BytesMut,
}

impl Assembler {
    /// Takes one fragment; gives the message when it was the last one. That fragments come in order is the frame
    /// decoder's business.
    pub(super) fn take(&mut self, item: Item, limit: usize) -> Result<Option<Message>, TooLarge> {
        let (bytes, last) = match item {
            Item::FirstText(bytes) => (self.begin(true, bytes), false),
            Item::FirstBinary(bytes) => (self.begin(false, bytes), false),
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        self.count += 1;
        if self.data.len() + bytes.len() > limit || self.count > FRAGMENT_LIMIT {
            return Err(TooLarge);
        }
        self.data.extend_from_slice(&bytes);
        if !last {
            return Ok(None);
        }
        let data = std::mem::take(&mut self.data).freeze();
        Ok(Some(if self.text {
            Message::Text(data)
        } else {
            Message::Binary(data)
        }))
    }

    fn begin(&mut self, text: bool, bytes: Bytes) -> Bytes {
        *self = Self {
            text,
            ..Self::default()
        };
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_make_one_message() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.take(Item::FirstText("ab".into()), 10), Ok(None));
        assert_eq!(assembler.take(Item::Continue("c".into()), 10), Ok(None));
        assert_eq!(
            assembler.take(Item::Last("d".into()), 10),
            Ok(Some(Message::Text("abcd".into())))
        );
        assert_eq!(assembler.take(Item::FirstBinary("x".into()), 10), Ok(None));
        assert_eq!(
            assembler.take(Item::Last("".into()), 10),
            Ok(Some(Message::Binary("x".into())))
        );
    }

    #[test]
    fn the_limit_is_on_the_message_not_on_the_fragment() {
        let mut assembler = Assembler::default();
        assert_eq!(
            assembler.take(Item::FirstText("12345".into()), 10),
            Ok(None)
        );
        assert_eq!(assembler.take(Item::Continue("12345".into()), 10), Ok(None));
        assert_eq!(
            assembler.take(Item::Continue("1".into()), 10),
            Err(TooLarge)
        );
    }

    #[test]
    fn empty_fragments_are_bounded_in_number() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.take(Item::FirstText("".into()), 10), Ok(None));
        let taken = (0..)
            .take_while(|_| assembler.take(Item::Continue("".into()), 10) == Ok(None))
            .count();
        assert_eq!(taken, FRAGMENT_LIMIT - 1);
    }
}
