//! The least that a plain WebSocket server needs to be measured: one line of JSON a message.
//!
//! A client says `{"id":1,"connect":true}`, `{"id":2,"subscribe":"a"}`, `{"id":3,"unsubscribe":"a"}` and
//! `{"id":4,"publish":"a","data":{…}}`; the server answers each with `{"done":<id>}` and sends what is published as it
//! is. `loadtest/peers/ws.mjs` is such a server.

use serde_json::json;

use super::{CONNECT, Dialect, Event, Fault, Input, Opening, Subscription, Take};
use crate::wire::Frames;

const DONE: &[u8] = b"{\"done\":";

#[derive(Debug)]
pub(super) struct Raw;

impl Dialect for Raw {
    fn path(&self) -> &'static str {
        "/"
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

    fn open(&self, opening: &Opening, frames: &mut Frames<'_>) {
        command(&json!({"id": CONNECT, "connect": true}), frames);
        for subscription in &opening.subscriptions {
            self.subscribe(subscription, frames);
        }
    }

    fn enter(&self, _opening: &Opening, _frames: &mut Frames<'_>) {}

    fn receive(
        &self,
        Input(bytes): Input<'_>,
        _frames: &mut Frames<'_>,
        take: Take<'_>,
    ) -> Result<usize, Fault> {
        let Some(done) = bytes.strip_prefix(DONE) else {
            take(Event::Message(bytes));
            return Ok(bytes.len());
        };
        let digits = done.split(|byte| *byte == b'}').next().unwrap_or_default();
        let id = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| Fault("an answer without an id".into()))?;
        take(Event::Done(id));
        Ok(bytes.len())
    }

    fn publish(&self, id: u32, channel: &str, payload: &[u8], frames: &mut Frames<'_>) {
        frames.text(|message| {
            let channel = json!(channel);
            let head = format!(r#"{{"id":{id},"publish":{channel},"data":"#);
            message.extend_from_slice(head.as_bytes());
            message.extend_from_slice(payload);
            message.push(b'}');
        });
    }

    fn subscribe(&self, subscription: &Subscription, frames: &mut Frames<'_>) {
        let Subscription { id, channel, .. } = subscription;
        command(&json!({"id": id, "subscribe": channel}), frames);
    }

    fn unsubscribe(&self, id: u32, channel: &str, frames: &mut Frames<'_>) {
        command(&json!({"id": id, "unsubscribe": channel}), frames);
    }

    fn offset(&self, _message: &[u8]) -> Option<u64> {
        None
    }
}

fn command(command: &serde_json::Value, frames: &mut Frames<'_>) {
    frames.text(|message| message.extend_from_slice(command.to_string().as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{Said, opening, receive, sent};

    #[test]
    fn clients_connect_and_subscribe_at_once() {
        let frames = sent(|frames| Raw.open(&opening(&["a-0"]), frames));
        let commands: Vec<serde_json::Value> = frames
            .iter()
            .map(|frame| serde_json::from_slice(frame).unwrap())
            .collect();
        let expected = [
            json!({"id": 1, "connect": true}),
            json!({"id": 2, "subscribe": "a-0"}),
        ];
        assert_eq!(commands, expected);
    }

    #[test]
    fn answers_and_messages_are_told_apart() {
        let (said, _) = receive(&Raw, br#"{"done":7}"#);
        assert_eq!(said, [Said::Done(7)]);
        let (said, _) = receive(&Raw, br#"{"s":"x"}"#);
        assert_eq!(said, [Said::Message(r#"{"s":"x"}"#.into())]);
        sent(|frames| {
            let taken = Raw.receive(Input(br#"{"done":x}"#), frames, &mut |_| {});
            assert!(taken.is_err());
        });
    }

    #[test]
    fn a_publish_embeds_its_payload() {
        let frames = sent(|frames| Raw.publish(7, "a", br#"{"s":1}"#, frames));
        assert_eq!(frames, [br#"{"id":7,"publish":"a","data":{"s":1}}"#]);
    }
}
