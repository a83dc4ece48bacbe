//! Questions to the presence service, for clients of this node and for backends.
//!
//! Before a question the node tells what has changed in the channel's partition. What one program tells arrives in its order,
//! so whoever asks finds itself in the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use tidegate_backbone::service::BUSY;
use tidegate_backbone::{self as backbone, AskError, Channel, ClientInfo};
use tidegate_codec::Format;
use tidegate_proto::node::{
    Answer, CountsQuestion, MembersQuestion, Question, Refused, VERSION, answer, question, refused,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use super::Presence;
use super::event::info_of;
use super::reporter::Order;
use crate::broadcast::info_to_client;
use crate::session::{PresenceAnswer, PresenceError, PresenceQuestion};

/// Time between two attempts, when an answer is not whole yet.
const PAUSE: Duration = Duration::from_millis(25);

/// How long one replica may take: one that dies takes the questions with it that it has heard, and another one answers.
const TURN: Duration = Duration::from_millis(300);

/// Bytes of one answer, without the text around them; a client that reads its replies is not closed as slow for it.
const MAX_BYTES: usize = 512 * 1024;

impl Presence {
    /// Asks who is in a channel, for a client of `format`.
    pub(crate) async fn ask(
        &self,
        channel: &Channel,
        question: PresenceQuestion,
        format: Format,
    ) -> Result<PresenceAnswer, PresenceError> {
        match question {
            PresenceQuestion::Members => {
                let members = self.members(channel).await?.into_values();
                let seen = members.map(|info| (info.client.clone(), info_to_client(&info, format)));
                Ok(PresenceAnswer::Members(seen.collect()))
            }
            PresenceQuestion::Counts => {
                let (clients, users) = self.counts(channel).await?;
                Ok(PresenceAnswer::Counts { clients, users })
            }
        }
    }

    /// Who is in a channel, by client.
    pub(crate) async fn members(
        &self,
        channel: &Channel,
    ) -> Result<BTreeMap<String, ClientInfo>, PresenceError> {
        let end = Instant::now() + self.timeout;
        self.in_time(channel, end, self.members_by(channel, end))
            .await
    }

    /// How many connections, and different users, are in a channel.
    pub(crate) async fn counts(&self, channel: &Channel) -> Result<(u32, u32), PresenceError> {
        let end = Instant::now() + self.timeout;
        self.in_time(channel, end, self.counts_by(channel, end))
            .await
    }

    /// Whether the service answers at all.
    pub(crate) async fn reach(&self) -> Result<(), String> {
        let topic = backbone::Topic::presence_ask_channel(0);
        let question = self.asking(question::What::Counts(CountsQuestion::default()));
        let message = backbone::Message::new(question.encode_to_vec());
        let answer = self.backbone.ask(&topic, message, self.timeout).await;
        answer.map(|_| ()).map_err(|error| error.to_string())
    }

    fn asking(&self, what: question::What) -> Question {
        Question {
            version: VERSION,
            partitions: self.identity.partitions,
            what: Some(what),
        }
    }

    /// Tells the service what has changed, and then asks.
    async fn in_time<T>(
        &self,
        channel: &Channel,
        end: Instant,
        asking: impl Future<Output = Result<T, PresenceError>>,
    ) -> Result<T, PresenceError> {
        let asked = async {
            self.flush(channel).await?;
            asking.await
        };
        let answer = timeout_at(end, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(unavailable("no whole answer in time")));
        if let Err(PresenceError::Unavailable(reason)) = &answer {
            self.counters.presence_unanswered.add(1);
            tracing::debug!(channel = channel.as_str(), reason, "presence not known");
        }
        answer
    }

    /// Tells what has changed in a channel's partition.
    async fn flush(&self, channel: &Channel) -> Result<(), PresenceError> {
        let (done, is_done) = oneshot::channel();
        let stream = self.streams.of_channel(channel.as_str());
        let ordered = self.orders.send(Order::Flush(stream, done)).await;
        ordered.map_err(|_| unavailable("the node stops"))?;
        is_done.await.map_err(|_| unavailable("the node stops"))
    }

    async fn counts_by(
        &self,
        channel: &Channel,
        end: Instant,
    ) -> Result<(u32, u32), PresenceError> {
        let channels = vec![channel.to_string()];
        let what = question::What::Counts(CountsQuestion { channels });
        match self.question(channel, what, end).await? {
            answer::What::Counts(mut counts) if counts.counts.len() == 1 => {
                let count = counts.counts.remove(0);
                Ok((count.clients, count.users))
            }
            _ => Err(unavailable("it answered something else")),
        }
    }

    async fn members_by(
        &self,
        channel: &Channel,
        end: Instant,
    ) -> Result<BTreeMap<String, ClientInfo>, PresenceError> {
        let mut members = BTreeMap::new();
        let (mut bytes, mut after) = (0, bytes::Bytes::new());
        loop {
            let what = question::What::Members(MembersQuestion {
                channel: channel.to_string(),
                after: after.clone(),
                ..MembersQuestion::default()
            });
            let answer::What::Members(page) = self.question(channel, what, end).await? else {
                return Err(unavailable("it answered something else"));
            };
            for membership in page.members {
                after = membership.client.clone();
                let read = info_of(membership);
                let (_, info) = read.ok_or_else(|| unavailable("its answer cannot be read"))?;
                bytes += size_of(&info);
                members.insert(info.client.clone(), info);
            }
            if bytes > MAX_BYTES {
                return Err(PresenceError::TooMany);
            }
            if !page.has_more {
                return Ok(members);
            }
        }
    }

    /// One question, until there is a whole answer to it.
    async fn question(
        &self,
        channel: &Channel,
        what: question::What,
        end: Instant,
    ) -> Result<answer::What, PresenceError> {
        let partition = self.streams.of_channel(channel.as_str()).partition;
        let topic = backbone::Topic::presence_ask_channel(partition);
        let data = bytes::Bytes::from(self.asking(what).encode_to_vec());
        loop {
            let within = end.saturating_duration_since(Instant::now()).min(TURN);
            let message = backbone::Message::new(data.clone());
            let answer = match self.backbone.ask(&topic, message, within).await {
                Err(AskError::Late(_)) if Instant::now() < end => continue,
                answer => answer.map_err(|error| unavailable(&error.to_string()))?,
            };
            // It has too much to do, or ends.
            if answer.refusal().is_some_and(|it| it.code == BUSY) {
                sleep(PAUSE).await;
                continue;
            }
            let answer = Answer::decode(answer.data).ok();
            let answer = answer.filter(|it| it.version == VERSION);
            let answer = answer.ok_or_else(|| unavailable("its answer cannot be read"))?;
            match answer.what {
                Some(answer::What::Refused(it)) => refusal(&it)?,
                Some(what) if !answer.is_incomplete => return Ok(what),
                Some(_) => {}
                None => return Err(unavailable("its answer is empty")),
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether to ask again.
fn refusal(refused: &Refused) -> Result<(), PresenceError> {
    match refused.reason() {
        refused::Reason::NotHeld => Ok(()),
        refused::Reason::Mismatch | refused::Reason::Invalid | refused::Reason::Unspecified => {
            tracing::warn!(
                text = refused.text,
                "the presence service refuses to answer"
            );
            Err(unavailable(&refused.text))
        }
    }
}

/// About the bytes that it takes in a reply.
fn size_of(info: &ClientInfo) -> usize {
    2 * info.client.len() + info.user.len() + info.conn_info.len() + info.chan_info.len() + 64
}

fn unavailable(reason: &str) -> PresenceError {
    PresenceError::Unavailable(reason.to_owned())
}
