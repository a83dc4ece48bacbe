//! Publications to a stream: many under way, each confirmed by the stream, in the order in which they were sent.
//!
//! One whose fate is not known is sent again with the same id, which a stream stores once. It is not if a later publication
//! of this node to the channel was sent meanwhile, for that would turn their order round: then its fate stays unknown, and
//! the publisher is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;

use bytes::Bytes;
use futures_util::TryFutureExt;
use futures_util::future::ready;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{ATTEMPT, ApiError, KeptStream, PATIENCE, PAUSE, parse, versions};
use crate::nats::inbox::{Pending, Wants};
use crate::nats::metadata;
use crate::nats::node::Node;
use crate::nats::wire::encoder;
use crate::{Channel, Confirmation, Epoch, Error, Position, Publication};

/// Publications to one stream that may be under way; what comes then is refused.
const UNDER_WAY_LIMIT: usize = 16_384;

/// What is under way to one stream.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Publications sent so far.
    count: u64,
    under_way: usize,
    channels: HashMap<Channel, UnderWay>,
}

/// The publications of a channel that are under way.
#[derive(Debug, Default)]
struct UnderWay {
    count: usize,
    /// The newest, and where in the inbox it was to be answered first.
    newest: u64,
    answer: u64,
}

/// A publication that is under way.
struct Ticket {
    node: Arc<Node>,
    channel: Channel,
    number: u64,
    id: String,
    /// The stream, and how far it was known to reach before.
    epoch: Epoch,
    top: u64,
}

impl Ticket {
    fn new(
        node: &Arc<Node>,
        stream: &KeptStream,
        channel: &Channel,
        id: String,
        epoch: Epoch,
    ) -> Result<Self, Error> {
        let mut sent = stream.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.under_way >= UNDER_WAY_LIMIT {
            let reason = "too many publications wait for the stream".to_owned();
            return Err(Error::Unavailable(reason));
        }
        sent.under_way += 1;
        sent.channels.entry(channel.clone()).or_default().count += 1;
        Ok(Self {
            node: Arc::clone(node),
            channel: channel.clone(),
            number: 0,
            id,
            epoch,
            top: stream.mark().top,
        })
    }

    /// It is being sent for the first time.
    fn number(&mut self, answer: u64) {
        let node = Arc::clone(&self.node);
        let Some(stream) = node.streams.of(&self.channel) else {
            return;
        };
        let mut sent = stream.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.count += 1;
        self.number = sent.count;
        if let Some(entry) = sent.channels.get_mut(&self.channel) {
            (entry.newest, entry.answer) = (self.number, answer);
        }
    }

    fn stream(&self) -> Option<&KeptStream> {
        self.node.streams.of(&self.channel)
    }

    /// Whether nothing was sent to the channel after it.
    fn is_newest(&self) -> bool {
        let Some(stream) = self.stream() else {
            return false;
        };
        let sent = stream.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = sent.channels.get(&self.channel);
        newest.is_some_and(|it| it.newest == self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(stream) = self.stream() else {
            return;
        };
        let mut sent = stream.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.under_way -= 1;
        if let Some(under_way) = sent.channels.get_mut(&self.channel) {
            under_way.count -= 1;
            if under_way.count == 0 {
                sent.channels.remove(&self.channel);
            }
        }
    }
}

/// A publication as it is sent, the first time and again.
struct Letter {
    subject: String,
    headers: Vec<u8>,
    data: Bytes,
}

/// Why a publication is not confirmed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The stream refused it.
    Refused(ApiError),
    Other(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(error) => error.into(),
            Failed::Other(error) => error,
        }
    }
}

/// Sends a publication on its way. One with a version is stored when this returns, so that what its publisher sends to the
/// channel afterwards comes behind it.
pub(in crate::nats) async fn publish(
    node: &Arc<Node>,
    stream: &KeptStream,
    channel: &Channel,
    publication: Publication,
) -> Result<Confirmation, Error> {
    if let Some(version) = publication.version.clone() {
        let stored = versions::publish(node, stream, channel, publication, &version).await?;
        return Ok(Box::pin(ready(Ok(stored))));
    }
    let deadline = Instant::now() + PATIENCE;
    let sent = send(node, stream, channel, publication, None, deadline).await?;
    Ok(Box::pin(sent.map_err(Error::from)))
}

/// Sends a publication on its way, to be stored behind the offset that is `expected` to be the channel's newest, if one is.
pub(super) async fn send(
    node: &Arc<Node>,
    stream: &KeptStream,
    channel: &Channel,
    publication: Publication,
    expected: Option<u64>,
    deadline: Instant,
) -> Result<impl Future<Output = Result<Option<Position>, Failed>> + Send + 'static, Error> {
    let id = match publication.id.is_empty() {
        true => node.new_id(),
        false => publication.id.clone(),
    };
    let letter = Letter {
        subject: node.subjects.publication(channel),
        headers: metadata::encode_kept(&publication, &id, expected)?,
        data: publication.data,
    };
    let epoch = stream.settled(deadline).await?;
    let mut ticket = Ticket::new(node, stream, channel, id, epoch)?;
    let number = |pending: &Pending| {
        ticket.number(pending.number);
        true
    };
    let Some(pending) = letter.send(node, deadline, number).await? else {
        return Err(unknown("it was not sent"));
    };
    Ok(confirm(ticket, letter, pending, deadline))
}

/// Waits until what this node has sent to a channel is stored, or its fate is not known.
pub(in crate::nats) async fn settle(node: &Node, stream: &KeptStream, channel: &Channel) {
    let answer = {
        let sent = stream.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.channels.get(channel).map(|it| it.answer)
    };
    if let Some(answer) = answer {
        // A stream stores and answers in order, so with the newest answer all are there.
        let _in_time = timeout(ATTEMPT, node.inbox.settled(answer)).await;
    }
}

impl Letter {
    /// Sends it if `may_go` says so, before anything else is sent.
    async fn send(
        &self,
        node: &Node,
        deadline: Instant,
        may_go: impl FnOnce(&Pending) -> bool,
    ) -> Result<Option<Pending>, Error> {
        let (link, pending) = node.wait(Wants::One)?;
        let size = self.headers.len() + self.data.len();
        let sent = link.send(size, |buffer| {
            let goes = may_go(&pending);
            if goes {
                let reply = &pending.subject;
                encoder::request(buffer, &self.subject, reply, &self.headers, &self.data);
            }
            goes
        });
        match timeout_at(deadline, sent).await {
            Ok(sent) => Ok(sent?.then_some(pending)),
            Err(_) => Err(unknown("it could not be sent in time")),
        }
    }
}

#[derive(Deserialize)]
struct Acknowledgement {
    seq: u64,
    /// It was stored before.
    #[serde(default)]
    duplicate: bool,
}

/// Waits for the stream's acknowledgement, and sends again while that changes no order.
async fn confirm(
    ticket: Ticket,
    letter: Letter,
    pending: Pending,
    deadline: Instant,
) -> Result<Option<Position>, Failed> {
    let mut pending = Some(pending);
    loop {
        let reason = match &mut pending {
            Some(pending) => match answer(pending, deadline).await {
                Ok(Some(acknowledgement)) => return Ok(position(&ticket, &acknowledgement)?),
                Ok(None) => "the stream does not answer",
                Err(error) => return Err(Failed::Refused(error)),
            },
            None => "the connection to nats was lost",
        };
        if Instant::now() + PAUSE > deadline {
            ticket.node.look.notify_one();
            return Err(unknown(reason).into());
        }
        sleep(PAUSE).await;
        pending = match letter
            .send(&ticket.node, deadline, |_| ticket.is_newest())
            .await
        {
            Ok(None) => {
                let reason = "it was not sent again, because others were sent after it";
                return Err(unknown(reason).into());
            }
            Ok(again) => again,
            Err(_) => None,
        };
    }
}

/// The stream's answer; `None` if there is none yet.
async fn answer(
    pending: &mut Pending,
    deadline: Instant,
) -> Result<Option<Acknowledgement>, ApiError> {
    let end = deadline.min(Instant::now() + ATTEMPT);
    let Ok(Some(answers)) = timeout_at(end, pending.answers()).await else {
        return Ok(None);
    };
    match answers.first() {
        Some(answer) if answer.status().is_none() => parse(answer).map(Some),
        // Nobody leads the stream now.
        _ => Ok(None),
    }
}

fn position(ticket: &Ticket, acknowledgement: &Acknowledgement) -> Result<Option<Position>, Error> {
    let stream = ticket.stream();
    let stream = stream.ok_or_else(|| Error::NotKept(ticket.channel.clone()))?;
    let Acknowledgement { seq, duplicate } = *acknowledgement;
    let epoch = stream.known_epoch()?;
    if epoch == ticket.epoch && seq <= ticket.top && !duplicate {
        stream.suspect(&ticket.node);
        return Err(unknown("the stream does not go on where it was"));
    }
    stream.mark().confirm(&epoch, seq, ticket.id.clone());
    Ok(Some(Position { epoch, offset: seq }))
}

fn unknown(reason: &str) -> Error {
    Error::Unavailable(format!(
        "it is not known whether the stream has it: {reason}"
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::BytesMut;
    use tokio::time::advance;

    use super::*;
    use crate::nats::link::Link;
    use crate::nats::monitoring::Monitoring;
    use crate::nats::streams::Keeping;
    use crate::nats::streams::State;
    use crate::nats::wire::ServerInfo;
    use crate::{Durability, Storage, StreamOptions, Subjects};

    /// A node whose server says nothing.
    fn node() -> (Arc<Node>, Arc<Link>) {
        let stream = StreamOptions {
            namespace: None,
            size: 10,
            ttl: Duration::from_secs(60),
            storage: Storage::File,
            replicas: 1,
            compression: false,
            duplicate_window: Duration::from_secs(60),
            partitions: 1,
            required: Durability::Accepted,
        };
        let subjects = Subjects::new("tide").unwrap();
        let monitoring = Monitoring::default();
        let node = Arc::new(Node::new(subjects, vec![stream], Keeping::Keep, monitoring));
        for stream in node.streams.iter() {
            *stream.state() = State::InUse {
                epoch: "e".into(),
                level: Durability::Accepted,
                reason: String::new(),
            };
        }
        let link = Arc::new(Link::new(1_000_000));
        node.open(&link, &ServerInfo::default());
        (node, link)
    }

    async fn send(node: &Arc<Node>, data: &'static str) -> Confirmation {
        let room = Channel::parse("room").unwrap();
        let publication = Publication {
            data: data.into(),
            ..Publication::default()
        };
        let stream = node.streams.of(&room).unwrap();
        publish(node, stream, &room, publication).await.unwrap()
    }

    /// What was written, by payload, since it was last asked.
    async fn written(link: &Link) -> Vec<String> {
        let mut buffer = BytesMut::new();
        link.take(&mut buffer).await.unwrap();
        let text = String::from_utf8(buffer.to_vec()).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("data"));
        lines.map(str::to_owned).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_answered_is_sent_again() {
        let (node, link) = node();
        let confirmation = tokio::spawn(send(&node, "data 1").await);
        assert_eq!(written(&link).await, ["data 1"]);
        assert_eq!(written(&link).await, ["data 1"]);
        assert!(matches!(
            confirmation.await.unwrap(),
            Err(Error::Unavailable(_))
        ));
        for stream in node.streams.iter() {
            let sent = stream.sent.lock().unwrap();
            assert_eq!((sent.under_way, sent.channels.len()), (0, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_again_does_not_overtake_what_is_sent_while_it_waits_for_that() {
        let (node, link) = node();
        let first = tokio::spawn(send(&node, "data 1").await);
        tokio::task::yield_now().await;
        advance(ATTEMPT + PAUSE / 2).await;
        tokio::task::yield_now().await;
        let _second = send(&node, "data 2").await;
        let error = first.await.unwrap().unwrap_err();
        assert!(
            error.to_string().contains("others were sent after it"),
            "{error}"
        );
        assert_eq!(written(&link).await, ["data 1", "data 2"]);
    }
}
