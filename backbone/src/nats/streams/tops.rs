//! The newest places of channels: of a few from the stream's leader, of many at once from any copy that does not lag.
//!
//! A copy says how far it was when it answered. If that is as far as the leader was before, it has all that was confirmed by then.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::mark::Mark;
use super::settings;
use super::{Answer, KeptStream, PATIENCE, Wants, ask, parse};
use crate::nats::node::Node;
use crate::{Channel, Epoch, Error, Position, Top};

/// Places that are asked for at the same time, one by one.
const AT_ONCE: usize = 256;

/// The most places that a copy tells in one answer.
const TOGETHER: usize = 1_024;

/// Places for which it is worth to ask a copy.
const MANY: usize = 8;

/// Bytes of messages after which a copy's answer ends; the rest is asked for one by one.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// JetStream's code for a subject without a message.
const NO_MESSAGE: u64 = 10037;

/// The newest place of each channel; one is asked for together with those that others ask for.
pub(in crate::nats) async fn tops(node: &Node, channels: &[Channel]) -> Result<Vec<Top>, Error> {
    match channels {
        [channel] => Ok(vec![of_one(node, channel).await?]),
        channels => of_all(node, channels).await,
    }
}

/// The newest place of a channel, asked for together with those that others ask for.
pub(super) async fn of_one(node: &Node, channel: &Channel) -> Result<Top, Error> {
    let stream = node.streams.of(channel);
    let stream = stream.ok_or_else(|| Error::NotKept(channel.clone()))?;
    let ask = |channels: Vec<Channel>| async move { of_all(node, &channels).await };
    stream.places.answer(channel.clone(), TOGETHER, ask).await
}

/// The newest place of each channel, with the epoch that the streams had before and after: one that was made anew meanwhile
/// has other offsets.
pub(super) async fn of_all(node: &Node, channels: &[Channel]) -> Result<Vec<Top>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let of = |channel| node.streams.of(channel);
    let mut streams: Vec<&KeptStream> = channels.iter().filter_map(of).collect();
    streams.sort_unstable_by_key(|stream| &stream.name);
    streams.dedup_by_key(|stream| &stream.name);
    loop {
        let mut before = Vec::with_capacity(streams.len());
        for stream in &streams {
            before.push((stream.settled(deadline).await?, stream.mark().clone()));
        }
        let mut known = HashMap::new();
        for (stream, (epoch, _)) in streams.iter().zip(&before) {
            let theirs: Vec<_> = channels
                .iter()
                .filter(|channel| of(channel).is_some_and(|it| it.name == stream.name))
                .collect();
            if theirs.len() >= MANY {
                let found = at_once(node, stream, epoch, &theirs, deadline).await?;
                known.extend(found);
            }
        }
        let mut tops = Vec::with_capacity(channels.len());
        for some in channels.chunks(AT_ONCE) {
            let found = some.iter().map(async |channel| match known.get(channel) {
                Some(top) => Ok(Top::clone(top)),
                None => top(node, channel, deadline).await,
            });
            tops.extend(try_join_all(found).await?);
        }
        if are_still(node, &streams, &before, deadline).await? {
            return Ok(tops);
        }
    }
}

/// Whether streams have the epochs that they had before.
async fn are_still(
    node: &Node,
    streams: &[&KeptStream],
    before: &[(Epoch, Mark)],
    deadline: Instant,
) -> Result<bool, Error> {
    let mut is_same = true;
    for (stream, (epoch, known)) in streams.iter().zip(before) {
        let info = settings::info(node, stream, None, deadline).await?;
        stream.learn(node, &info, known);
        is_same &= stream.epoch().as_ref() == Some(epoch);
    }
    Ok(is_same)
}

/// The newest places of channels of one stream, of those that a copy can tell.
async fn at_once<'a>(
    node: &Node,
    stream: &KeptStream,
    epoch: &Epoch,
    channels: &[&'a Channel],
    deadline: Instant,
) -> Result<Vec<(&'a Channel, Top)>, Error> {
    let confirmed = settings::info(node, stream, None, deadline).await?.state;
    let top = |offset, is_empty| {
        let epoch = epoch.clone();
        let position = Position { epoch, offset };
        Top { position, is_empty }
    };
    if confirmed.messages == 0 {
        let nothing = channels
            .iter()
            .map(|it| (*it, top(confirmed.last_seq, true)));
        return Ok(nothing.collect());
    }
    let mut tops = Vec::with_capacity(channels.len());
    for some in channels.chunks(TOGETHER) {
        let subject = |channel: &&Channel| node.subjects.publication(channel);
        let subjects: Vec<_> = some.iter().map(subject).collect();
        let answers = newest_of(node, stream, &subjects, confirmed.last_seq, deadline).await?;
        let number = |name: &str| answers.last()?.header(name)?.parse::<u64>().ok();
        let reached = number("Nats-UpTo-Sequence").unwrap_or(0);
        if reached < confirmed.last_seq {
            continue;
        }
        let is_whole = number("Nats-Num-Pending") == Some(0);
        let stored = answers.iter().filter(|answer| answer.is_stored());
        let offsets: HashMap<_, u64> = stored
            .filter_map(|it| Some((it.header("Nats-Subject")?, it.sequence()?)))
            .collect();
        for (channel, subject) in some.iter().zip(&subjects) {
            let offset = offsets.get(&**subject).copied();
            if let Some(known) = offset.or(is_whole.then_some(reached)) {
                tops.push((*channel, top(known, offset.is_none())));
            }
        }
    }
    Ok(tops)
}

/// The newest message of each subject, and behind them how far the copy is that answers. It does not say that where it has
/// none of them; then it is asked again, for the one too that is the stream's newest, which is there.
async fn newest_of(
    node: &Node,
    stream: &KeptStream,
    subjects: &[String],
    last: u64,
    deadline: Instant,
) -> Result<Vec<Answer>, Error> {
    let api = format!("$JS.API.DIRECT.GET.{}", stream.name);
    let ask = async |subjects: &[&String]| {
        let request =
            json!({ "multi_last": subjects, "batch": TOGETHER + 1, "max_bytes": MAX_BYTES });
        ask(node, &api, &request, Wants::Row, deadline).await
    };
    let mut subjects: Vec<_> = subjects.iter().collect();
    let answers = ask(&subjects).await?;
    if answers[0].status() != Some("404") {
        return Ok(answers);
    }
    let newest = message(node, stream, &json!({ "seq": last }), deadline).await?;
    let Some(newest) = newest else {
        return Ok(answers);
    };
    subjects.push(&newest.subject);
    ask(&subjects).await
}

async fn top(node: &Node, channel: &Channel, deadline: Instant) -> Result<Top, Error> {
    let stream = node
        .streams
        .of(channel)
        .ok_or_else(|| Error::NotKept(channel.clone()))?;
    if let Some(offset) = newest(node, stream, channel, deadline).await?
        && let Some(epoch) = stream.epoch()
    {
        let position = Position { epoch, offset };
        return Ok(Top {
            position,
            is_empty: false,
        });
    }
    // What is stored after this is behind it, and what was before is found by the second look.
    let known = stream.mark().clone();
    let info = settings::info(node, stream, None, deadline).await?;
    stream.learn(node, &info, &known);
    let found = newest(node, stream, channel, deadline).await?;
    Ok(Top {
        position: Position {
            epoch: info.epoch(),
            offset: found.unwrap_or(info.state.last_seq),
        },
        is_empty: found.is_none(),
    })
}

/// The sequence of a channel's newest message.
pub(super) async fn newest(
    node: &Node,
    stream: &KeptStream,
    channel: &Channel,
    deadline: Instant,
) -> Result<Option<u64>, Error> {
    let request = json!({ "last_by_subj": node.subjects.publication(channel) });
    of_leader(node, stream, &request, deadline).await
}

/// The sequence of the message that is asked for, by the stream's leader, which no copy is ahead of.
pub(super) async fn of_leader(
    node: &Node,
    stream: &KeptStream,
    request: &Value,
    deadline: Instant,
) -> Result<Option<u64>, Error> {
    let found = message(node, stream, request, deadline).await?;
    Ok(found.map(|message| message.seq))
}

/// A stored message, as the stream's leader tells of it.
#[derive(Deserialize)]
pub(super) struct Stored {
    subject: String,
    pub(super) seq: u64,
    /// The payload, in base64.
    #[serde(default)]
    pub(super) data: String,
}

/// The message that is asked for, by the stream's leader.
pub(super) async fn message(
    node: &Node,
    stream: &KeptStream,
    request: &Value,
    deadline: Instant,
) -> Result<Option<Stored>, Error> {
    #[derive(Deserialize)]
    struct Found {
        message: Stored,
    }
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", stream.name);
    let answers = ask(node, &subject, request, Wants::One, deadline).await?;
    match parse::<Found>(&answers[0]) {
        Ok(found) => Ok(Some(found.message)),
        Err(error) if error.code == NO_MESSAGE => Ok(None),
        Err(error) => Err(error.into()),
    }
}
