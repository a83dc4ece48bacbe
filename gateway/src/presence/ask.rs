//! Questions to the presence service, for clients of this node.
//!
//! Before a question the node tells what has changed in the channel's partition. What one program tells arrives in its order,
//! so whoever asks finds itself in the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use tidegate_backbone::{self as backbone, Channel};
use tidegate_codec::{ClientInfo, Format};
use tidegate_proto::node::{
    Answer, CountsQuestion, MembersQuestion, Question, Refused, VERSION, answer, question, refused,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use super::Presence;
use super::report::info_of;
use super::reporter::Order;
use crate::broadcast::info_to_client;
use crate::session::{PresenceAnswer, PresenceError, PresenceQuestion};

/// Time between two attempts, when an answer is not whole yet.
const PAUSE: Duration = Duration::from_millis(25);

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
        let end = Instant::now() + self.timeout;
        let asked = async {
            self.flush(channel).await?;
            match question {
                PresenceQuestion::Members => self.members(channel, format, end).await,
                PresenceQuestion::Counts => self.counts(channel, end).await,
            }
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

    async fn counts(
        &self,
        channel: &Channel,
        end: Instant,
    ) -> Result<PresenceAnswer, PresenceError> {
        let channels = vec![channel.to_string()];
        let what = question::What::Counts(CountsQuestion { channels });
        match self.question(channel, what, end).await? {
            answer::What::Counts(mut counts) if counts.counts.len() == 1 => {
                let count = counts.counts.remove(0);
                Ok(PresenceAnswer::Counts {
                    clients: count.clients,
                    users: count.users,
                })
            }
            _ => Err(unavailable("it answered something else")),
        }
    }

    async fn members(
        &self,
        channel: &Channel,
        format: Format,
        end: Instant,
    ) -> Result<PresenceAnswer, PresenceError> {
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
                let (client, info) = seen(membership, format)?;
                bytes += size_of(&info);
                members.insert(client, info);
            }
            if bytes > MAX_BYTES {
                return Err(PresenceError::TooMany);
            }
            if !page.has_more {
                return Ok(PresenceAnswer::Members(members));
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
        let partitions = self.identity.partitions;
        let partition = self.streams.of_channel(channel.as_str()).partition;
        let topic = backbone::Topic::presence_ask_channel(partition);
        let question = Question {
            version: VERSION,
            partitions,
            what: Some(what),
        };
        let data = bytes::Bytes::from(question.encode_to_vec());
        loop {
            let within = end.saturating_duration_since(Instant::now());
            let message = backbone::Message::new(data.clone());
            let answer = self.backbone.ask(&topic, message, within).await;
            let answer = answer.map_err(|error| unavailable(&error.to_string()))?;
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

fn seen(
    membership: tidegate_proto::node::Membership,
    format: Format,
) -> Result<(String, ClientInfo), PresenceError> {
    let (_, info) = info_of(membership).ok_or_else(|| unavailable("its answer cannot be read"))?;
    let info = info_to_client(&info, format);
    Ok((info.client.clone(), info))
}

/// About the bytes that it takes in a reply.
fn size_of(info: &ClientInfo) -> usize {
    2 * info.client.len() + info.user.len() + info.conn_info.len() + info.chan_info.len() + 64
}

fn unavailable(reason: &str) -> PresenceError {
    PresenceError::Unavailable(reason.to_owned())
}
