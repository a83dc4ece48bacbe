//! The client protocol of Tidegate in JSON: lines in text frames.
//!
//! A line with a publication is known by its first bytes and not parsed. Replies, which are few, are.

use std::cell::Cell;

use memchr::memmem;
use serde::Deserialize;
use serde_json::json;

use super::{
    CONNECT, Dialect, Event, Fault, Input, Opening, Position, Recovery, Subscription, Take,
};
use crate::wire::Frames;

/// How a line with a publication begins.
const PUSH: &[u8] = b"{\"push\":";

const OFFSET: &[u8] = b"\"offset\":";

#[derive(Debug, Default)]
pub(super) struct CentrifugeJson {
    /// Whether the server wants its pings answered, as it says when a client connects.
    answers_pings: Cell<bool>,
}

impl Dialect for CentrifugeJson {
    fn path(&self) -> &'static str {
        "/connection/websocket"
    }

    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn recovers(&self) -> bool {
        true
    }

    fn open(&self, opening: &Opening, frames: &mut Frames<'_>) {
        frames.text(|message| {
            let connect = match &opening.token {
                Some(token) => json!({"id": CONNECT, "connect": {"token": token}}),
                None => json!({"id": CONNECT, "connect": {}}),
            };
            message.extend_from_slice(connect.to_string().as_bytes());
            for subscription in &opening.subscriptions {
                message.push(b'\n');
                write_subscribe(subscription, message);
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
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            match line {
                line if line.starts_with(PUSH) => self.push(line, take),
                b"{}" if self.answers_pings.get() => {
                    frames.text(|message| message.extend_from_slice(b"{}"));
                }
                b"{}" | b"" => {}
                line => self.reply(line, take)?,
            }
        }
        Ok(bytes.len())
    }

    fn publish(&self, id: u32, channel: &str, payload: &[u8], frames: &mut Frames<'_>) {
        frames.text(|message| {
            let head = format!(r#"{{"id":{id},"publish":{{"channel":"{channel}","data":"#);
            message.extend_from_slice(head.as_bytes());
            message.extend_from_slice(payload);
            message.extend_from_slice(b"}}");
        });
    }

    fn subscribe(&self, subscription: &Subscription, frames: &mut Frames<'_>) {
        frames.text(|message| write_subscribe(subscription, message));
    }

    fn unsubscribe(&self, id: u32, channel: &str, frames: &mut Frames<'_>) {
        frames.text(|message| {
            let command = json!({"id": id, "unsubscribe": {"channel": channel}});
            message.extend_from_slice(command.to_string().as_bytes());
        });
    }

    fn offset(&self, message: &[u8]) -> Option<u64> {
        let start = memmem::rfind(message, OFFSET)? + OFFSET.len();
        let digits = message[start..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0, |number: u64, digit| {
            number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'))
        });
        Some(number)
    }
}

impl CentrifugeJson {
    fn push(&self, line: &[u8], take: Take<'_>) {
        take(Event::Message(line));
    }

    fn reply(&self, line: &[u8], take: Take<'_>) -> Result<(), Fault> {
        let reply: Reply = serde_json::from_slice(line).map_err(|error| {
            let start = String::from_utf8_lossy(&line[..line.len().min(80)]);
            Fault(format!("not a reply: {error} in {start}"))
        })?;
        if let Some(error) = reply.error {
            take(Event::Refused(reply.id, error.to_string()));
            return Ok(());
        }
        if let Some(connect) = reply.connect {
            self.answers_pings.set(connect.pong);
            take(Event::Done(reply.id));
            return Ok(());
        }
        let Some(subscribe) = reply.subscribe else {
            take(Event::Done(reply.id));
            return Ok(());
        };
        if !subscribe.publications.is_empty() {
            take(Event::Message(line));
        }
        take(subscribe.event(reply.id));
        Ok(())
    }
}

fn write_subscribe(subscription: &Subscription, message: &mut Vec<u8>) {
    let Subscription {
        id,
        channel,
        recovery,
    } = subscription;
    let subscribe = match recovery {
        Recovery::Off => json!({"channel": channel}),
        Recovery::Follow => json!({"channel": channel, "recoverable": true}),
        Recovery::From(Position { epoch, offset }) => json!({
            "channel": channel, "recoverable": true, "recover": true, "epoch": epoch, "offset": offset,
        }),
    };
    let command = json!({"id": id, "subscribe": subscribe});
    message.extend_from_slice(command.to_string().as_bytes());
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    id: u32,
    error: Option<Error>,
    connect: Option<Connect>,
    subscribe: Option<Subscribe>,
}

#[derive(Deserialize)]
struct Error {
    code: u32,
    #[serde(default)]
    message: String,
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "error {}: {}", self.code, self.message)
    }
}

#[derive(Deserialize)]
struct Connect {
    #[serde(default)]
    pong: bool,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Subscribe {
    epoch: String,
    offset: u64,
    publications: Vec<Publication>,
    recovered: bool,
}

#[derive(Deserialize)]
struct Publication {
    #[serde(default)]
    offset: u64,
}

impl Subscribe {
    fn event(self, id: u32) -> Event<'static> {
        let last = self.publications.last();
        let offset = last.map_or(self.offset, |publication| publication.offset);
        Event::Subscribed {
            id,
            position: Position {
                epoch: self.epoch,
                offset,
            },
            recovered: self.recovered,
        }
    }
}

#[cfg(test)]
mod tests;
