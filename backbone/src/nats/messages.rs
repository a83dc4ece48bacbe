//! Messages between programs as NATS messages: data as it is, headers as headers.
//!
//! In: a message about a topic. Out: what a server is to do with it, and answers to those who asked. Headers that nobody
//! could read are dropped with their message, and counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::inbox::{Answer, Wants};
use super::link::Link;
use super::metadata::VERSION;
use super::node::{Node, Received};
use super::wire::encoder;
use crate::Error;
use crate::bus::{AskError, Asker, Heard, MAX_HEADER_BYTES, Message};
use crate::topic::Topic;

/// The status of an answer that the server gives, because nobody hears.
const NO_RESPONDERS: &str = "503";

/// Sends a message about a topic.
pub(super) async fn tell(node: &Node, topic: &Topic, message: &Message) -> Result<(), Error> {
    let link = node.link()?;
    let subject = node.subjects.topic(topic);
    let headers = encode(&message.headers);
    link.publish(&subject, &headers, &message.data).await
}

/// Asks, and waits for as many answers as are enough.
pub(super) async fn ask_all(
    node: &Node,
    topic: &Topic,
    question: &Message,
    within: Duration,
    enough: usize,
) -> Result<Vec<Message>, AskError> {
    let deadline = Instant::now() + within;
    let (link, mut pending) = node.wait(Wants::AtMost(enough))?;
    let (subject, headers) = (node.subjects.topic(topic), encode(&question.headers));
    let (reply, data) = (pending.subject.clone(), &question.data);
    let sent = link.send(headers.len() + data.len(), |buffer| {
        encoder::request(buffer, &subject, &reply, &headers, data);
    });
    let late = |_| Error::Unavailable(format!("nats took no question within {within:?}"));
    timeout_at(deadline, sent).await.map_err(late)??;
    let answers = match timeout_at(deadline, pending.answers()).await {
        Ok(answers) => answers.unwrap_or_default(),
        Err(_) => pending.so_far(),
    };
    match answers.first() {
        Some(only) if is_refusal(only) => Err(AskError::NobodyHears),
        _ => Ok(answers.iter().filter_map(answer).collect()),
    }
}

fn is_refusal(answer: &Answer) -> bool {
    answer.payload.is_empty() && answer.status() == Some(NO_RESPONDERS)
}

fn answer(answer: &Answer) -> Option<Message> {
    Some(Message {
        headers: decode(&answer.headers)?,
        data: Bytes::clone(&answer.payload),
    })
}

/// A message as it is heard; `None` if nobody could read its headers.
pub(super) fn heard(
    node: &Node,
    link: Option<Arc<Link>>,
    received: &Received<'_>,
) -> Option<Heard> {
    let topic = node
        .subjects
        .heard(std::str::from_utf8(received.subject).ok()?)?;
    let message = Message {
        headers: decode(received.headers)?,
        data: Bytes::copy_from_slice(received.payload),
    };
    let reply = std::str::from_utf8(received.reply).ok()?;
    let asker = link.filter(|_| !reply.is_empty()).map(|link| {
        let reply = reply.to_owned();
        Asker::new(move |message: Message| {
            Box::pin(async move {
                let headers = encode(&message.headers);
                link.publish(&reply, &headers, &message.data).await
            })
        })
    });
    Some(Heard {
        topic,
        message,
        asker,
    })
}

/// A block of headers; empty if there are none.
pub(super) fn encode(headers: &[(String, String)]) -> Vec<u8> {
    let mut block = Vec::new();
    if headers.is_empty() {
        return block;
    }
    let plain = |byte: u8| {
        if matches!(byte, b'\r' | b'\n') {
            b'_'
        } else {
            byte
        }
    };
    block.extend_from_slice(VERSION);
    for (name, value) in headers {
        block.extend_from_slice(b"\r\n");
        block.extend(
            name.bytes()
                .map(plain)
                .map(|it| if it == b':' { b'_' } else { it }),
        );
        block.extend_from_slice(b": ");
        block.extend(value.bytes().map(plain));
    }
    block.extend_from_slice(b"\r\n\r\n");
    block
}

fn decode(block: &[u8]) -> Option<Vec<(String, String)>> {
    if block.is_empty() {
        return Some(Vec::new());
    }
    let text = std::str::from_utf8(block).ok()?;
    let mut lines = text.lines();
    let is_ours = text.len() <= MAX_HEADER_BYTES && lines.next()?.as_bytes().starts_with(VERSION);
    let parse = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    is_ours.then(|| lines.filter_map(parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn headers_come_back() {
        let headers = vec![
            pair("Api", "1"),
            pair("traceparent", "00-a: b"),
            pair("Empty", ""),
        ];
        assert_eq!(decode(&encode(&headers)), Some(headers));
        assert_eq!(decode(&encode(&[])), Some(Vec::new()));
    }

    #[test]
    fn a_header_cannot_make_another() {
        let block = encode(&[pair("a\r\nb: c", "d\r\ne: f\n")]);
        assert_eq!(decode(&block), Some(vec![pair("a__b_ c", "d__e: f_")]));
    }

    #[test]
    fn strange_blocks_are_not_read() {
        let long = format!("NATS/1.0\r\na: {}\r\n\r\n", "x".repeat(MAX_HEADER_BYTES));
        for block in [
            &b"HTTP/1.1\r\n\r\n"[..],
            b"NATS/1.0\r\na: \xff\r\n\r\n",
            long.as_bytes(),
        ] {
            assert_eq!(decode(block), None);
        }
    }
}
