//! Removal of publications from a stream, and the marks that it leaves.
//!
//! In: what of a channel is to go. Out: the stream without it. Before something is removed, a mark says so: a message of the
//! stream itself, on a subject of the channel's that no channel has. Marks keep the proof of a read right: where publications
//! were removed, a channel that has few may have let others go for room. They are replicated and grow old with the messages
//! that they are about, so when one has gone by its age, what it was about has gone before it.
//!
//! One proof is lost all the same: of a position before everything that its channel keeps, once the stream's very first message
//! was deleted, in whichever channel, for that looks as if it had gone by its age.
//!
//! Needs permission for `$JS.API.STREAM.MSG.DELETE` and `$JS.API.STREAM.PURGE` of the stream and to publish in the
//! namespace, and a stream without `deny_delete` and `deny_purge`. A message that is deleted is overwritten on disk; one that
//! is purged goes with its block.

use std::ops::{ControlFlow, RangeInclusive};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::reading::{Reading, begin};
use super::tops::message;
use super::{KeptStream, PATIENCE, PAUSE, Wants, ask, parse, settings};
use crate::nats::node::Node;
use crate::{Channel, Error, Publication, Removal};

/// Publications that are removed at the same time.
const AT_ONCE: usize = 64;

/// What the marks of a channel say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// Single publications that were removed, as far as the marks are still there: at most as many as a channel keeps.
    pub(super) removed: u64,
    /// Everything up to here was removed; zero for nothing.
    pub(super) purged: u64,
}

/// Removes publications of a channel; each step can be repeated.
pub(in crate::nats) async fn remove(
    node: &Node,
    channel: &Channel,
    removal: &Removal,
) -> Result<u64, Error> {
    let reading = begin(node, channel).await?;
    let removed = match removal {
        Removal::All => purge(&reading, None).await?,
        Removal::Offsets(epoch, _) if *epoch != reading.top.position.epoch => return Ok(0),
        Removal::Offsets(_, offsets) if *offsets.start() <= 1 => {
            let end = reading.top.position.offset.min(*offsets.end());
            purge(&reading, Some(end)).await?
        }
        Removal::Offsets(_, offsets) => delete_range(node, channel, offsets).await?,
    };
    await_copies(node, reading.stream).await?;
    Ok(removed)
}

/// Purges a channel up to a sequence, or all that is there now.
async fn purge(reading: &Reading<'_>, upto: Option<u64>) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Purged {
        purged: u64,
    }
    let (node, stream) = (reading.node, reading.stream);
    let subject = node.subjects.purged(reading.channel);
    let mark = mark(reading, &subject, upto.map_or(Value::Null, Value::from)).await?;
    let api = format!("$JS.API.STREAM.PURGE.{}", stream.name);
    let request = json!({
        "filter": node.subjects.publication(reading.channel),
        "seq": upto.map_or(mark, |upto| upto + 1),
    });
    let deadline = Instant::now() + PATIENCE;
    let answers = ask(node, &api, &request, Wants::One, deadline).await?;
    Ok(parse::<Purged>(&answers[0])?.purged)
}

/// Deletes the channel's publications at these offsets, some at a time.
async fn delete_range(
    node: &Node,
    channel: &Channel,
    offsets: &RangeInclusive<u64>,
) -> Result<u64, Error> {
    let (mut next, mut removed) = (*offsets.start(), 0);
    loop {
        let reading = begin(node, channel).await?;
        let end = reading.top.position.offset.min(*offsets.end());
        let mut found = Vec::new();
        let take = |publication: Publication| {
            found.extend(publication.place.map(|place| place.offset));
            match found.len() < AT_ONCE {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        };
        let walked = reading.walk(next, end, AT_ONCE, take).await?;
        delete(&reading, &found).await?;
        removed += found.len() as u64;
        match (walked, found.last()) {
            (ControlFlow::Break(()), Some(last)) => next = last + 1,
            _ => return Ok(removed),
        }
    }
}

async fn delete(reading: &Reading<'_>, sequences: &[u64]) -> Result<(), Error> {
    let subject = reading.node.subjects.removed(reading.channel);
    let marks = sequences
        .iter()
        .map(|it| mark(reading, &subject, Value::from(*it)));
    try_join_all(marks).await?;
    let deleted = sequences.iter().map(|it| delete_one(reading, *it));
    try_join_all(deleted).await?;
    Ok(())
}

/// Sees to it that a message is not there any more.
async fn delete_one(reading: &Reading<'_>, sequence: u64) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Deleted {
        success: bool,
    }
    let (node, stream) = (reading.node, reading.stream);
    let deadline = Instant::now() + PATIENCE;
    let api = format!("$JS.API.STREAM.MSG.DELETE.{}", stream.name);
    let request = json!({ "seq": sequence, "no_erase": false });
    let answers = ask(node, &api, &request, Wants::One, deadline).await?;
    let refused = match parse::<Deleted>(&answers[0]) {
        Ok(Deleted { success: true }) => return Ok(()),
        Ok(Deleted { success: false }) => Error::Unavailable("jetstream did not delete".to_owned()),
        Err(error) => error.into(),
    };
    // An answer that was lost is no reason to fail: what matters is that it is gone.
    match message(node, stream, &json!({ "seq": sequence }), deadline).await? {
        None => Ok(()),
        Some(_) => Err(refused),
    }
}

/// Stores a mark; returns its sequence. It is told to the channel's own stream: servers would spread what is published over
/// the partitions of a namespace by its subject, which is not the channel's.
async fn mark(reading: &Reading<'_>, subject: &str, text: Value) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Stored {
        seq: u64,
    }
    let deadline = Instant::now() + PATIENCE;
    let (node, stream) = (reading.node, reading.stream);
    let (stored, taken) = (stream.stored.len(), stream.subjects.len());
    let subject = format!(
        "{}{}",
        &stream.subjects[..taken - 1],
        &subject[stored - 1..]
    );
    let answers = ask(node, &subject, &text, Wants::One, deadline).await?;
    Ok(parse::<Stored>(&answers[0])?.seq)
}

/// The sequence that a mark is about.
pub(super) fn sequence(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}

/// What the marks of the channel say that is read.
pub(super) async fn marks(reading: &Reading<'_>) -> Result<Marks, Error> {
    let (node, stream, deadline) = (reading.node, reading.stream, reading.deadline);
    let subject = node.subjects.removed(reading.channel);
    let info = settings::info(node, stream, Some(&subject), deadline).await?;
    let removed = info.state.count(&subject);
    let purged = json!({ "last_by_subj": node.subjects.purged(reading.channel) });
    let purged = message(node, stream, &purged, deadline).await?;
    let upto = purged.map(|mark| {
        let payload = BASE64.decode(&mark.data).unwrap_or_default();
        let before = mark.seq.saturating_sub(1);
        match payload.is_empty() {
            true => before,
            false => sequence(&payload).unwrap_or(0).min(before),
        }
    });
    Ok(Marks {
        removed,
        purged: upto.unwrap_or(0),
    })
}

/// Whether an offset above the channel's newest is that of a publication that may have been removed: something of the
/// channel was, after it.
pub(super) async fn reaches(reading: &Reading<'_>, after: u64) -> Result<bool, Error> {
    let request = json!({ "last_by_subj": reading.node.subjects.removed(reading.channel) });
    let newest = message(reading.node, reading.stream, &request, reading.deadline).await?;
    Ok(newest.is_some_and(|mark| mark.seq > after))
}

/// Waits until every copy that is in touch has done what the leader has: readers may ask any of them.
async fn await_copies(node: &Node, stream: &KeptStream) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while settings::info(node, stream, None, deadline)
        .await?
        .is_any_behind()
    {
        if Instant::now() + PAUSE > deadline {
            let reason = "a copy of the stream lags, and may still have what was removed";
            return Err(Error::Unavailable(reason.to_owned()));
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
