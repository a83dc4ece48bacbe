//! What is sent to a client: frames in, bytes of the response's body out.
//!
//! The body ends when its [`Outgoing`] is dropped, and with it the socket is closed: when that is to be is for the
//! connection's task to say, not for the frames.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::ws::{CloseReason, OpCode, Parser};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tidegate_codec::Format;
use tokio::sync::mpsc::{Permit, Receiver, Sender, channel};

/// Frames that may wait for the socket, each of at most the outbox's frame size. What waits longer is in the outbox.
const QUEUE: usize = 4;

/// Bytes that are given to the socket at a time, if there are that many: as much as it buffers.
const CHUNK: usize = 32 * 1024;

/// One frame.
#[derive(Debug)]
pub(super) enum Frame {
    Data(Format, Bytes),
    Ping,
    Pong(Bytes),
    Close(CloseReason),
}

/// The socket ended.
#[derive(Debug)]
pub(super) struct Gone;

/// The sending half of a WebSocket.
#[derive(Debug)]
pub(super) struct Outgoing(Sender<Frame>);

/// The body of an upgrade's response.
#[derive(Debug)]
pub(super) struct Body(Receiver<Frame>);

/// A sending half and the body that carries what it sends.
pub(super) fn outgoing() -> (Outgoing, Body) {
    let (sender, receiver) = channel(QUEUE);
    (Outgoing(sender), Body(receiver))
}

impl Outgoing {
    /// Waits for room for one frame.
    pub(super) async fn ready(&self) -> Result<Permit<'_, Frame>, Gone> {
        self.0.reserve().await.map_err(|_| Gone)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut buffer = BytesMut::new();
        while buffer.len() < CHUNK {
            match self.0.poll_recv(context) {
                Poll::Ready(Some(frame)) => write(frame, &mut buffer),
                Poll::Ready(None) if buffer.is_empty() => return Poll::Ready(None),
                Poll::Pending if buffer.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(Ok(buffer.freeze())))
    }
}

fn write(frame: Frame, buffer: &mut BytesMut) {
    let (opcode, payload) = match frame {
        Frame::Data(Format::Json, bytes) => (OpCode::Text, bytes),
        Frame::Data(Format::Protobuf, bytes) => (OpCode::Binary, bytes),
        Frame::Ping => (OpCode::Ping, Bytes::new()),
        Frame::Pong(bytes) => (OpCode::Pong, bytes),
        Frame::Close(reason) => return Parser::write_close(buffer, Some(reason), false),
    };
    Parser::write_message(buffer, payload, opcode, true, false);
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn frames_leave_together_and_the_body_ends_with_its_sender() {
        let (outgoing, mut body) = outgoing();
        assert!(body.next().now_or_never().is_none());
        outgoing
            .0
            .try_send(Frame::Data(Format::Json, "{}".into()))
            .unwrap();
        outgoing.0.try_send(Frame::Ping).unwrap();
        outgoing
            .0
            .try_send(Frame::Data(Format::Protobuf, "\0".into()))
            .unwrap();
        let bytes = body.next().now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(bytes, &b"\x81\x02{}\x89\0\x82\x01\0"[..]);
        outgoing.0.try_send(Frame::Pong("x".into())).unwrap();
        drop(outgoing);
        let bytes = body.next().now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(bytes, &b"\x8a\x01x"[..]);
        assert!(body.next().now_or_never().unwrap().is_none());
    }

    #[test]
    fn large_frames_leave_one_by_one() {
        let (outgoing, mut body) = outgoing();
        for _ in 0..3 {
            outgoing
                .0
                .try_send(Frame::Data(Format::Json, vec![b' '; CHUNK].into()))
                .unwrap();
        }
        for _ in 0..3 {
            let bytes = body.next().now_or_never().unwrap().unwrap().unwrap();
            assert!(bytes.len() < CHUNK + 16, "{} bytes", bytes.len());
        }
    }
}
