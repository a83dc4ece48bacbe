//! What tungstenite makes of bytes, and whether the codec agrees.

use std::io::{self, Cursor, Read, Write};

use bytes::Bytes;
use tidegate_websocket::{CloseReason, Event, Message, Violation};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, error::ProtocolError};

/// What tungstenite read as a server, until the peer closed, broke a rule, or said no more.
#[derive(Debug)]
pub(crate) struct Theirs {
    events: Vec<Event>,
    is_refused: bool,
}

/// Bytes to be read; what is written is forgotten.
struct Socket<'a>(Cursor<&'a [u8]>);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `limit` is the bytes of one message, and must not be below those of a control frame: tungstenite does not tell them
/// apart.
pub(crate) fn read(bytes: &[u8], limit: usize) -> Theirs {
    let config = WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let socket = Socket(Cursor::new(bytes));
    let mut socket = WebSocket::from_raw_socket(socket, Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => events.extend(event(message)),
            Err(error) => {
                let is_refused = !is_end(&error);
                return Theirs { events, is_refused };
            }
        }
        if matches!(events.last(), Some(Event::Close(_))) {
            let is_refused = false;
            return Theirs { events, is_refused };
        }
    }
}

fn is_end(error: &Error) -> bool {
    let reset = ProtocolError::ResetWithoutClosingHandshake;
    matches!(error, Error::Protocol(found) if *found == reset)
}

fn event(message: tungstenite::Message) -> Option<Event> {
    use tungstenite::Message as Their;
    match message {
        Their::Text(text) => Some(Event::Message(Message::Text(text.into()))),
        Their::Binary(data) => Some(Event::Message(Message::Binary(data))),
        Their::Ping(payload) => Some(Event::Ping(payload)),
        Their::Pong(payload) => Some(Event::Pong(payload)),
        Their::Close(frame) => Some(Event::Close(frame.map(|frame| CloseReason {
            code: frame.code.into(),
            text: Bytes::from(frame.reason),
        }))),
        Their::Frame(_) => None,
    }
}

/// What we call lengths that tungstenite may take.
const LENGTHS: [&str; 2] = [
    "length is not in its shortest form",
    "control frame is too long",
];

/// Says where the two disagree about bytes that may be cut off anywhere, apart from these differences:
///
/// - Lengths that are not in their shortest form are refused by us, as RFC 6455 section 5.2 has it. Control frames have
///   no other form, so one of them is too long as soon as its length is in another.
/// - We judge a frame by the bytes that are there; tungstenite once it is whole, which in these bytes it may never be.
/// - Close codes that may not be sent are a violation for us; tungstenite gives a close frame that it made up. To it
///   1014, registered since, is one of them.
pub(crate) fn disagreement(
    events: &[Event],
    violation: Option<Violation>,
    theirs: &Theirs,
) -> Option<String> {
    let made_up = Event::Close(Some(CloseReason {
        code: CloseCode::Protocol.into(),
        text: "Protocol violation".into(),
    }));
    let same = |(our, their): (&Event, &Event)| match our {
        Event::Close(Some(CloseReason { code: 1014, .. })) => *their == made_up,
        our => our == their,
    };
    let count = events.len();
    let agree = match violation {
        _ if theirs.events.len() < count || !events.iter().zip(&theirs.events).all(same) => false,
        None => theirs.events.len() == count && !theirs.is_refused,
        Some(violation) if LENGTHS.contains(&violation.reason) => true,
        Some(violation) if violation.reason == "close code may not be sent" => {
            theirs.events[count..] == [made_up] || theirs.is_refused
        }
        Some(_) => theirs.events.len() == count,
    };
    (!agree).then(|| format!("{events:x?}, {violation:?}, and {theirs:x?}"))
}
