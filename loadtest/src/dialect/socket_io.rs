//! Socket.IO 4 over Engine.IO 4 on WebSocket: text packets, the main namespace.
//!
//! Which events subscribe and publish is for each application to say. Here `subscribe`, `unsubscribe` and `publish` take a
//! channel first and are acknowledged, as in `loadtest/peers/socket-io.mjs`; any event from the server with a stamp counts
//! as a delivery.

use serde_json::json;

use super::{CONNECT, Dialect, Event, Fault, Input, Opening, Subscription, Take};
use crate::wire::Frames;

#[derive(Debug)]
pub(super) struct SocketIo;

impl Dialect for SocketIo {
    fn path(&self) -> &'static str {
        "/socket.io/?EIO=4&transport=websocket"
    }

    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn recovers(&self) -> bool {
        false
    }

    fn open(&self, _opening: &Opening, _frames: &mut Frames<'_>) {}

    fn enter(&self, opening: &Opening, frames: &mut Frames<'_>) {
        for subscription in &opening.subscriptions {
            self.subscribe(subscription, frames);
        }
    }

    fn receive(
        &self,
        Input(bytes): Input<'_>,
        frames: &mut Frames<'_>,
        take: Take<'_>,
    ) -> Result<usize, Fault> {
        match bytes {
            [b'0', ..] => frames.text(|message| message.extend_from_slice(b"40")),
            b"2" => frames.text(|message| message.push(b'3')),
            [b'4', b'0', ..] => {
                take(Event::Invited);
                take(Event::Done(CONNECT));
            }
            [b'4', b'2', ..] => take(Event::Message(bytes)),
            [b'4', b'3', acknowledgement @ ..] => take(Event::Done(id(acknowledgement)?)),
            b"6" => {}
            other => return Err(Fault(String::from_utf8_lossy(other).into())),
        }
        Ok(bytes.len())
    }

    fn publish(&self, id: u32, channel: &str, payload: &[u8], frames: &mut Frames<'_>) {
        frames.text(|message| {
            let head = format!("42{id}[\"publish\",{},", json!(channel));
            message.extend_from_slice(head.as_bytes());
            message.extend_from_slice(payload);
            message.push(b']');
        });
    }

    fn subscribe(&self, subscription: &Subscription, frames: &mut Frames<'_>) {
        event(subscription.id, "subscribe", &subscription.channel, frames);
    }

    fn unsubscribe(&self, id: u32, channel: &str, frames: &mut Frames<'_>) {
        event(id, "unsubscribe", channel, frames);
    }

    fn offset(&self, _message: &[u8]) -> Option<u64> {
        None
    }
}

fn event(id: u32, name: &str, channel: &str, frames: &mut Frames<'_>) {
    frames.text(|message| {
        let text = format!("42{id}{}", json!([name, channel]));
        message.extend_from_slice(text.as_bytes());
    });
}

fn id(acknowledgement: &[u8]) -> Result<u32, Fault> {
    let end = memchr::memchr(b'[', acknowledgement).unwrap_or(acknowledgement.len());
    let digits = std::str::from_utf8(&acknowledgement[..end]).ok();
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Fault("an acknowledgement without a number".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{Said, opening, receive, sent};

    #[test]
    fn a_client_enters_step_by_step() {
        let (said, answers) = receive(&SocketIo, br#"0{"sid":"x","pingInterval":25000}"#);
        assert_eq!((said, answers), (vec![], vec![b"40".to_vec()]));
        let (said, _) = receive(&SocketIo, br#"40{"sid":"y"}"#);
        assert_eq!(said, [Said::Invited, Said::Done(CONNECT)]);
        let frames = sent(|frames| SocketIo.enter(&opening(&["a-0", "a-1"]), frames));
        let expected = [r#"422["subscribe","a-0"]"#, r#"423["subscribe","a-1"]"#];
        assert_eq!(frames, expected.map(|text| text.as_bytes().to_vec()));
        let (said, _) = receive(&SocketIo, b"433[]");
        assert_eq!(said, [Said::Done(3)]);
    }

    #[test]
    fn events_are_messages_and_pings_are_answered() {
        let event = r#"42["message",{"s":"x"}]"#;
        let (said, _) = receive(&SocketIo, event.as_bytes());
        assert_eq!(said, [Said::Message(event.into())]);
        let (_, answers) = receive(&SocketIo, b"2");
        assert_eq!(answers, [b"3"]);
    }

    #[test]
    fn a_publish_is_an_event_with_its_payload() {
        let frames = sent(|frames| SocketIo.publish(7, "a", br#"{"s":1}"#, frames));
        assert_eq!(frames, [br#"427["publish","a",{"s":1}]"#]);
    }

    #[test]
    fn what_is_not_expected_ends_it() {
        for packet in ["1", "41", r#"44{"message":"no"}"#, "43x[]", "x"] {
            sent(|frames| {
                let taken = SocketIo.receive(Input(packet.as_bytes()), frames, &mut |_| {});
                assert!(taken.is_err(), "{packet}");
            });
        }
    }
}
