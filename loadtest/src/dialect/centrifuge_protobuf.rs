//! The client protocol of Tidegate in Protobuf: messages behind their lengths in binary frames.
//!
//! A publication is known by its first byte and not decoded. Replies, which are few, are.

use std::cell::Cell;

use prost::Message;
use tidegate_proto::{
    Command, ConnectRequest, PublishRequest, Reply, SubscribeRequest, SubscribeResult,
    UnsubscribeRequest,
};

use super::{
    CONNECT, Dialect, Event, Fault, Input, Opening, Position, Recovery, Subscription, Take,
};
use crate::wire::Frames;

/// How a reply with a push begins: its field's number and type.
const PUSH: u8 = 4 << 3 | 2;

#[derive(Debug, Default)]
pub(super) struct CentrifugeProtobuf {
    /// Whether the server wants its pings answered, as it says when a client connects.
    answers_pings: Cell<bool>,
}

impl Dialect for CentrifugeProtobuf {
    fn path(&self) -> &'static str {
        "/connection/websocket"
    }

    fn subprotocol(&self) -> Option<&'static str> {
        Some("centrifuge-protobuf")
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn recovers(&self) -> bool {
        true
    }

    fn open(&self, opening: &Opening, frames: &mut Frames<'_>) {
        frames.binary(|message| {
            let connect = Command {
                id: CONNECT,
                connect: Some(ConnectRequest {
                    token: opening.token.clone().unwrap_or_default(),
                    ..ConnectRequest::default()
                }),
                ..Command::default()
            };
            write(&connect, message);
            for subscription in &opening.subscriptions {
                write(&subscribe(subscription), message);
            }
        });
    }

    fn enter(&self, _opening: &Opening, _frames: &mut Frames<'_>) {}

    fn receive(
        &self,
        Input(bytes): Input<'_>,
        frames: &mut Frames<'_>,
        take: Take<'_>,
    ) -> Result<usize, Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let message = split(&mut rest).ok_or_else(|| Fault("a message cut off".into()))?;
            match message.first() {
                Some(&PUSH) => take(Event::Message(message)),
                Some(_) => self.reply(message, take)?,
                None if self.answers_pings.get() => {
                    frames.binary(|message| write(&Command::default(), message));
                }
                None => {}
            }
        }
        Ok(bytes.len())
    }

    fn publish(&self, id: u32, channel: &str, payload: &[u8], frames: &mut Frames<'_>) {
        let publish = PublishRequest {
            channel: channel.to_owned(),
            data: payload.to_vec().into(),
            ..PublishRequest::default()
        };
        let command = Command {
            id,
            publish: Some(publish),
            ..Command::default()
        };
        frames.binary(|message| write(&command, message));
    }

    fn subscribe(&self, subscription: &Subscription, frames: &mut Frames<'_>) {
        frames.binary(|message| write(&subscribe(subscription), message));
    }

    fn unsubscribe(&self, id: u32, channel: &str, frames: &mut Frames<'_>) {
        let unsubscribe = UnsubscribeRequest {
            channel: channel.to_owned(),
        };
        let command = Command {
            id,
            unsubscribe: Some(unsubscribe),
            ..Command::default()
        };
        frames.binary(|message| write(&command, message));
    }

    fn offset(&self, message: &[u8]) -> Option<u64> {
        let reply = Reply::decode(message).ok()?;
        Some(reply.push?.r#pub?.offset)
    }
}

impl CentrifugeProtobuf {
    fn reply(&self, message: &[u8], take: Take<'_>) -> Result<(), Fault> {
        let reply = Reply::decode(message).map_err(|error| Fault(error.to_string()))?;
        let id = reply.id;
        if let Some(error) = reply.error {
            let reason = format!("error {}: {}", error.code, error.message);
            take(Event::Refused(id, reason));
            return Ok(());
        }
        if let Some(connect) = reply.connect {
            self.answers_pings.set(connect.pong);
        }
        let Some(subscribe) = reply.subscribe else {
            take(Event::Done(id));
            return Ok(());
        };
        if !subscribe.publications.is_empty() {
            take(Event::Message(message));
        }
        take(subscribed(id, subscribe));
        Ok(())
    }
}

fn subscribe(subscription: &Subscription) -> Command {
    let mut subscribe = SubscribeRequest {
        channel: subscription.channel.clone(),
        recoverable: subscription.recovery != Recovery::Off,
        ..SubscribeRequest::default()
    };
    if let Recovery::From(Position { epoch, offset }) = &subscription.recovery {
        subscribe.recover = true;
        (subscribe.epoch, subscribe.offset) = (epoch.clone(), *offset);
    }
    Command {
        id: subscription.id,
        subscribe: Some(subscribe),
        ..Command::default()
    }
}

fn subscribed(id: u32, result: SubscribeResult) -> Event<'static> {
    let last = result.publications.last();
    let offset = last.map_or(result.offset, |publication| publication.offset);
    Event::Subscribed {
        id,
        position: Position {
            epoch: result.epoch,
            offset,
        },
        recovered: result.recovered,
    }
}

fn write(command: &Command, message: &mut Vec<u8>) {
    let written = command.encode_length_delimited(message);
    written.expect("a vector takes all");
}

/// Takes one message off the front; `None` if it is not whole.
fn split<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = prost::decode_length_delimiter(*rest).ok()?;
    let after = rest.get(prost::length_delimiter_len(length)..)?;
    let (message, left) = after.split_at_checked(length)?;
    *rest = left;
    Some(message)
}

#[cfg(test)]
mod tests;
