//! The task that keeps the connection: reads, writes, notices when it is lost, and gets it back.
//!
//! In: bytes of a server. Out: `deliver` at the listener of each message, called here, so between a socket and its
//! listener there is no queue and no other task. A listener that takes its time holds back the socket and with it the
//! server, which ends the connection of a client that lags too far behind.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::connector::{Accepted, Connector, Socket};
use super::link::Link;
use super::node::{Node, Received};
use super::wire::{Decoder, Operation, WireError, encoder};

/// Between two questions whether the server hears.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// A server that says nothing at all for this long is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// So is one that talks and answers no question: what is sent does not arrive. Answers wait behind what it has to deliver, so
/// this is longer.
const DEAFNESS: Duration = Duration::from_secs(30);

/// What was read at once is so much that others should have a turn.
const LONG_READ: usize = 16 * 1024;

/// A connection that ended sooner is not made again at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Attempts that a short life counts as.
const SHORT_LIFE_ATTEMPTS: u32 = 3;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server says nothing any more")]
    Silent,
    #[error("the server does not hear any more")]
    Deaf,
}

/// A connection in use.
pub(super) struct Life {
    link: Arc<Link>,
    accepted: Accepted,
    start: Instant,
}

impl Life {
    /// Takes a connection into use.
    pub(super) fn begin(node: &Node, accepted: Accepted) -> Self {
        let link = Arc::new(Link::new(accepted.info.max_payload));
        node.open(&link, &accepted.info);
        tracing::info!(carries = node.carries, "connected to nats");
        Self {
            link,
            accepted,
            start: Instant::now(),
        }
    }

    /// Reads and writes until the connection is lost. Says how many failed attempts that counts as.
    async fn run(self, node: &Node, connector: &mut Connector) -> u32 {
        let (reader, writer) = split(self.accepted.socket);
        let mut reading = Reading {
            node,
            connector,
            link: &self.link,
            decoder: self.accepted.decoder,
        };
        let ended = tokio::select! {
            ended = write(&self.link, writer) => ended,
            ended = reading.run(reader) => ended,
            lost = ask(&self.link) => Err(lost),
        };
        node.close();
        self.link.end();
        node.counters.lost.add();
        let lost = ended.err().unwrap_or(Lost::Closed);
        let carries = node.carries;
        tracing::warn!(%lost, carries, "connection to nats lost, trying to get it back");
        match self.start.elapsed() < SHORT_LIFE {
            true => SHORT_LIFE_ATTEMPTS,
            false => 0,
        }
    }
}

/// Runs until it is aborted.
pub(super) async fn keep(node: Arc<Node>, mut connector: Connector, first: Option<Life>) {
    let mut attempts = 1;
    if let Some(life) = first {
        attempts = life.run(&node, &mut connector).await;
    }
    loop {
        let accepted = connector.again(attempts).await;
        let life = Life::begin(&node, accepted);
        attempts = life.run(&node, &mut connector).await;
    }
}

async fn write(link: &Link, mut writer: WriteHalf<Box<dyn Socket>>) -> Result<(), Lost> {
    let mut buffer = BytesMut::new();
    while link.take(&mut buffer).await.is_some() {
        writer.write_all(&buffer).await?;
        writer.flush().await?;
    }
    Ok(())
}

/// Asks again and again whether the server hears, until it is deaf.
async fn ask(link: &Link) -> Lost {
    loop {
        sleep(PING_INTERVAL).await;
        if link.unanswered() >= DEAFNESS {
            return Lost::Deaf;
        }
        link.ping();
    }
}

/// What is read, and who is to know.
struct Reading<'a> {
    node: &'a Node,
    connector: &'a mut Connector,
    link: &'a Link,
    decoder: Decoder,
}

impl Reading<'_> {
    async fn run(&mut self, mut reader: ReadHalf<Box<dyn Socket>>) -> Result<(), Lost> {
        let mut size = 0;
        loop {
            self.handle()?;
            if size >= LONG_READ {
                yield_now().await;
            }
            let read = timeout(SILENCE, reader.read_buf(self.decoder.room())).await;
            size = read.map_err(|_| Lost::Silent)??;
            if size == 0 {
                return Err(Lost::Closed);
            }
        }
    }

    /// Does what the operations that were read ask for.
    fn handle(&mut self) -> Result<(), WireError> {
        while let Some(operation) = self.decoder.next()? {
            match operation {
                Operation::Message {
                    sid,
                    subject,
                    reply,
                    headers,
                    payload,
                } => {
                    let message = Received {
                        subject,
                        reply,
                        headers,
                        payload,
                    };
                    self.node.deliver(sid, &message);
                }
                Operation::Pong => self.link.pong(),
                Operation::Ping => self
                    .link
                    .add(|buffer| buffer.extend_from_slice(encoder::PONG)),
                Operation::Info(info) => {
                    self.link.limit_payload(info.max_payload);
                    self.connector.learn(&info.connect_urls);
                }
                Operation::Error(error) => {
                    if let Some(subject) = forbidden_subject(&error) {
                        self.link.forbid(subject);
                    }
                    self.node.refused(&error);
                }
            }
        }
        Ok(())
    }
}

/// The subject of `Permissions Violation for Subscription to "<subject>"`.
fn forbidden_subject(error: &str) -> Option<&str> {
    let (_, rest) = error.split_once("Violation for Subscription to \"")?;
    let (subject, _) = rest.split_once('"')?;
    Some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what is written, and answers the first pings of it.
    async fn server(link: &Link, answered: usize) {
        let mut buffer = BytesMut::new();
        let mut asked = 0;
        while link.take(&mut buffer).await.is_some() {
            asked += 1;
            if asked <= answered {
                link.pong();
            }
        }
    }

    async fn life(answered: usize) -> Option<Duration> {
        let link = Link::new(1_024);
        let start = Instant::now();
        tokio::select! {
            () = server(&link, answered) => None,
            _lost = ask(&link) => Some(start.elapsed()),
            () = sleep(Duration::from_secs(3_600)) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_no_question_is_deaf() {
        assert_eq!(life(0).await, Some(PING_INTERVAL + DEAFNESS));
        assert_eq!(life(4).await, Some(PING_INTERVAL * 5 + DEAFNESS));
        assert_eq!(life(usize::MAX).await, None);
    }
}
