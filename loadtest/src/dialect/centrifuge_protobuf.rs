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
mod tests {
    use tidegate_proto::{ConnectResult, Error, Publication, PublishResult, Push};

    use super::*;
    use crate::dialect::testing::{Said, opening, receive, sent};

    fn commands(mut frame: &[u8]) -> Vec<Command> {
        std::iter::from_fn(|| split(&mut frame))
            .map(|message| Command::decode(message).unwrap())
            .collect()
    }

    fn push(offset: u64) -> Reply {
        let publication = Publication {
            data: b"payload".as_slice().into(),
            offset,
            ..Publication::default()
        };
        let push = Push {
            channel: "a".into(),
            r#pub: Some(publication),
            ..Push::default()
        };
        Reply {
            push: Some(push),
            ..Reply::default()
        }
    }

    #[test]
    fn connect_and_subscriptions_are_one_frame() {
        let mut opening = opening(&["a-0", "a-1"]);
        let position = Position {
            epoch: "e".into(),
            offset: 7,
        };
        opening.subscriptions[1].recovery = Recovery::From(position);
        let frames = sent(|frames| CentrifugeProtobuf::default().open(&opening, frames));
        let commands = commands(&frames[0]);
        assert_eq!(commands.len(), 3);
        assert!(commands[0].connect.is_some());
        let (first, second) = (&commands[1].subscribe, &commands[2].subscribe);
        assert!(!first.as_ref().unwrap().recover);
        let second = second.as_ref().unwrap();
        assert_eq!(
            (&*second.epoch, second.offset, second.recover),
            ("e", 7, true)
        );
    }

    #[test]
    fn a_frame_of_several_messages_is_taken_one_by_one() {
        let connect = ConnectResult {
            pong: true,
            ..ConnectResult::default()
        };
        let error = Error {
            code: 103,
            message: "permission denied".into(),
            ..Error::default()
        };
        let replies = [
            Reply {
                id: 1,
                connect: Some(connect),
                ..Reply::default()
            },
            Reply {
                id: 2,
                error: Some(error),
                ..Reply::default()
            },
            push(12),
            Reply::default(),
            Reply {
                id: 4,
                publish: Some(PublishResult {}),
                ..Reply::default()
            },
        ];
        let frame: Vec<u8> = replies
            .iter()
            .flat_map(Message::encode_length_delimited_to_vec)
            .collect();
        let dialect = CentrifugeProtobuf::default();
        let (said, answers) = receive(&dialect, &frame);
        let message = String::from_utf8_lossy(&push(12).encode_to_vec()).into_owned();
        let expected = [
            Said::Done(1),
            Said::Refused(2, "error 103: permission denied".into()),
            Said::Message(message),
            Said::Done(4),
        ];
        assert_eq!(said, expected);
        assert_eq!(answers, [[0]]);
        assert_eq!(dialect.offset(&push(12).encode_to_vec()), Some(12));
    }

    #[test]
    fn a_message_that_is_cut_off_is_a_fault() {
        let mut frame = push(1).encode_length_delimited_to_vec();
        frame.pop();
        sent(|frames| {
            let taken = CentrifugeProtobuf::default().receive(Input(&frame), frames, &mut |_| {});
            assert!(taken.is_err());
        });
    }

    #[test]
    fn recovered_publications_come_before_their_subscription() {
        let publications = [4, 9].map(|offset| Publication {
            offset,
            ..Publication::default()
        });
        let subscribe = SubscribeResult {
            was_recovering: true,
            recovered: true,
            epoch: "x".into(),
            offset: 3,
            publications: publications.into(),
            ..SubscribeResult::default()
        };
        let reply = Reply {
            id: 2,
            subscribe: Some(subscribe),
            ..Reply::default()
        };
        let frame = reply.encode_length_delimited_to_vec();
        let (said, _) = receive(&CentrifugeProtobuf::default(), &frame);
        let position = Position {
            epoch: "x".into(),
            offset: 9,
        };
        assert!(matches!(said[0], Said::Message(_)));
        assert_eq!(said[1], Said::Subscribed(2, position, true));
    }
}
