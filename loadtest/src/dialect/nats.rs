//! The NATS client protocol, over nats-server's WebSocket listener or bare: a stream of lines and payloads.
//!
//! A subscription is confirmed by a PING behind it, as NATS does not answer subscriptions themselves.

use super::{ALL, Dialect, Event, Fault, Input, Opening, Subscription, Take};
use crate::wire::Frames;

const CONNECT: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"loadtest\",\"version\":\"0\",\"echo\":false";

/// Bytes of the longest line, but for the server's greeting.
const LINE: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Nats;

impl Dialect for Nats {
    fn path(&self) -> &'static str {
        "/"
    }

    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn recovers(&self) -> bool {
        false
    }

    fn open(&self, opening: &Opening, frames: &mut Frames<'_>) {
        frames.binary(|message| {
            message.extend_from_slice(CONNECT);
            if let Some(token) = &opening.token {
                let token = serde_json::Value::from(token.as_str());
                message.extend_from_slice(format!(",\"auth_token\":{token}").as_bytes());
            }
            message.extend_from_slice(b"}\r\n");
            for subscription in &opening.subscriptions {
                write_subscribe(subscription, message);
            }
            message.extend_from_slice(b"PING\r\n");
        });
    }

    fn enter(&self, _opening: &Opening, _frames: &mut Frames<'_>) {}

    fn receive(
        &self,
        Input(bytes): Input<'_>,
        frames: &mut Frames<'_>,
        take: Take<'_>,
    ) -> Result<usize, Fault> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return match rest.len() > LINE {
                    true => Err(Fault("a line that does not end".into())),
                    false => Ok(used),
                };
            };
            let line = rest[..end].trim_ascii_end();
            let after = end + 1;
            let Some(length) = payload_length(line)? else {
                control(line, frames, take)?;
                used += after;
                continue;
            };
            let Some(payload) = rest.get(after..after.saturating_add(length)) else {
                return Ok(used);
            };
            // The payload's line break may be yet to come.
            if rest.len() < after + length + 2 {
                return Ok(used);
            }
            take(Event::Message(payload));
            used += after + length + 2;
        }
    }

    fn publish(&self, _id: u32, channel: &str, payload: &[u8], frames: &mut Frames<'_>) {
        frames.binary(|message| {
            let head = format!("PUB {channel} {}\r\n", payload.len());
            message.extend_from_slice(head.as_bytes());
            message.extend_from_slice(payload);
            message.extend_from_slice(b"\r\n");
        });
    }

    fn subscribe(&self, subscription: &Subscription, frames: &mut Frames<'_>) {
        frames.binary(|message| {
            write_subscribe(subscription, message);
            message.extend_from_slice(b"PING\r\n");
        });
    }

    fn unsubscribe(&self, _id: u32, channel: &str, frames: &mut Frames<'_>) {
        frames.binary(|message| {
            let id = later_id(channel);
            message.extend_from_slice(format!("UNSUB {id}\r\nPING\r\n").as_bytes());
        });
    }

    fn offset(&self, _message: &[u8]) -> Option<u64> {
        None
    }
}

fn write_subscribe(subscription: &Subscription, message: &mut Vec<u8>) {
    let Subscription { id, channel, .. } = subscription;
    // One that comes and goes is taken back by its channel, so its id follows from that.
    let id = match *id {
        id if id >= super::CHURN => later_id(channel),
        id => id.to_string(),
    };
    message.extend_from_slice(format!("SUB {channel} {id}\r\n").as_bytes());
}

fn later_id(channel: &str) -> String {
    format!("later-{channel}")
}

/// The bytes of a message's payload, if the line begins a message.
fn payload_length(line: &[u8]) -> Result<Option<usize>, Fault> {
    let is_message = line.starts_with(b"MSG ") || line.starts_with(b"HMSG ");
    if !is_message {
        return Ok(None);
    }
    let digits = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let length = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok());
    length
        .map(Some)
        .ok_or_else(|| Fault("a message without a length".into()))
}

fn control(line: &[u8], frames: &mut Frames<'_>, take: Take<'_>) -> Result<(), Fault> {
    match line {
        b"PING" => frames.binary(|message| message.extend_from_slice(b"PONG\r\n")),
        b"PONG" => take(Event::Done(ALL)),
        b"+OK" | b"" => {}
        line if line.starts_with(b"INFO ") => {}
        line => return Err(Fault(String::from_utf8_lossy(line).into())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{Said, opening, sent};

    /// What is made of these bytes: events, answers, and how many bytes were of use.
    fn receive(bytes: &[u8]) -> (Vec<Said>, Vec<Vec<u8>>, usize) {
        let (mut said, mut used) = (Vec::new(), 0);
        let answers = sent(|frames| {
            let mut take = |event: Event<'_>| said.push(event.into());
            used = Nats.receive(Input(bytes), frames, &mut take).unwrap();
        });
        (said, answers, used)
    }

    #[test]
    fn a_stream_is_cut_anywhere() {
        let stream = b"INFO {}\r\nPONG\r\nMSG a-0 2 5\r\nhello\r\nPING\r\nHMSG a-0 2 4 9\r\nh\r\n\r\nworld\r\n";
        for cut in 0..=stream.len() {
            let (mut said, _, used) = receive(&stream[..cut]);
            let (rest, _, _) = receive(&stream[used..]);
            said.extend(rest);
            let expected = [
                Said::Done(ALL),
                Said::Message("hello".into()),
                Said::Message("h\r\n\r\nworl".into()),
            ];
            assert_eq!(said.len(), expected.len(), "{cut}");
            assert_eq!(said[..2], expected[..2]);
        }
    }

    #[test]
    fn pings_are_answered_and_errors_end_it() {
        let (_, answers, _) = receive(b"PING\r\n");
        assert_eq!(answers, [b"PONG\r\n"]);
        let mut ignore = |_: Event<'_>| {};
        sent(|frames| {
            let error = Nats.receive(Input(b"-ERR 'no'\r\n"), frames, &mut ignore);
            assert!(error.unwrap_err().to_string().contains("no"));
        });
    }

    #[test]
    fn clients_subscribe_as_they_connect() {
        let frames = sent(|frames| Nats.open(&opening(&["a-0", "a-1"]), frames));
        let text = String::from_utf8(frames.concat()).unwrap();
        assert!(
            text.ends_with("}\r\nSUB a-0 2\r\nSUB a-1 3\r\nPING\r\n"),
            "{text}"
        );
        let frames = sent(|frames| Nats.publish(1, "a-0", b"hello", frames));
        assert_eq!(frames.concat(), b"PUB a-0 5\r\nhello\r\n");
    }
}
