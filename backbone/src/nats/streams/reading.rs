//! Reads of a channel: pages by batched direct gets from any server that has a copy, up to the newest place.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

use super::proving::Proof;
use super::tops::{newest, of_one};
use super::{KeptStream, PATIENCE, PAUSE, Wants, ask};
use crate::nats::inbox::Answer;
use crate::nats::metadata;
use crate::nats::node::Node;
use crate::{Channel, Error, From, Page, Publication, Range, Top};

/// Messages of one get.
const BATCH: usize = 512;

/// Bytes after which one get ends.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Reads of a node that are under way; more wait, see [`Sweeping`](super::sweeping). A server looks through all that a stream has between the
/// messages of a channel, and does no other read of the node meanwhile: where these are far apart that takes 0.1 s and more.
pub(in crate::nats) const READS: usize = 4;

/// Proofs of a node that are under way for those who read together: they are looked up.
pub(in crate::nats) const PROOFS: usize = 64;

/// Time for a read of what came after an offset to have its turn.
pub(super) const TURN: Duration = Duration::from_secs(60);

/// Reads a channel.
pub(in crate::nats) async fn read(
    node: &Arc<Node>,
    channel: &Channel,
    range: Range,
) -> Result<Page, Error> {
    let reading = begin(node, channel).await?;
    match range.from {
        From::After(offset) => reading.forward(node, offset, range).await,
        From::Before(offset) => reading.backward(offset, range).await,
    }
}

/// Waits for one of the reads, or proofs, that may be under way.
pub(super) async fn turn(
    turns: &Semaphore,
    patience: Duration,
) -> Result<SemaphorePermit<'_>, Error> {
    let turn = timeout(patience, turns.acquire()).await;
    turn.ok().and_then(Result::ok).ok_or_else(crowded)
}

pub(super) fn crowded() -> Error {
    Error::Unavailable("too many reads wait for the streams".to_owned())
}

/// What a read forward wants of a channel, and what it has of that.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What is left to read: from one sequence to another.
    pub(super) from: u64,
    pub(super) to: u64,
    range: Range,
    publications: Vec<Publication>,
    bytes: usize,
    /// There are more than may be had.
    has_more: bool,
}

impl Wanted {
    pub(super) fn new(from: u64, to: u64, range: Range) -> Self {
        Self {
            from,
            to,
            range,
            publications: Vec::new(),
            bytes: 0,
            has_more: false,
        }
    }

    /// Nothing is left to read.
    pub(super) fn is_done(&self) -> bool {
        self.has_more || self.from > self.to
    }

    /// Takes the channel's next publication.
    pub(super) fn take(&mut self, publication: Publication) -> ControlFlow<()> {
        self.bytes += publication.data.len();
        let is_over = self.bytes > self.range.max_bytes && !self.publications.is_empty();
        if is_over || self.publications.len() == self.range.limit {
            self.has_more = true;
            return ControlFlow::Break(());
        }
        self.publications.push(publication);
        ControlFlow::Continue(())
    }
}

pub(super) async fn begin<'a>(node: &'a Node, channel: &'a Channel) -> Result<Reading<'a>, Error> {
    let stream = node
        .streams
        .of(channel)
        .ok_or_else(|| Error::NotKept(channel.clone()))?;
    let top = of_one(node, channel).await?;
    Ok(Reading {
        node,
        stream,
        channel,
        subject: node.subjects.publication(channel),
        top,
        deadline: Instant::now() + PATIENCE,
    })
}

/// One read of a channel, with the channel's top as of when it began.
pub(super) struct Reading<'a> {
    pub(super) node: &'a Node,
    pub(super) stream: &'a KeptStream,
    pub(super) channel: &'a Channel,
    pub(super) subject: String,
    pub(super) top: Top,
    pub(super) deadline: Instant,
}

impl Reading<'_> {
    async fn forward(mut self, node: &Arc<Node>, after: u64, range: Range) -> Result<Page, Error> {
        let (is_empty, top) = (self.top.is_empty, self.top.position.offset);
        let to = if is_empty { 0 } else { top };
        let mut wanted = Wanted::new(after.saturating_add(1), to, range);
        let taken = match node.reads.try_acquire() {
            Ok(turn) => Some(turn),
            Err(_) => {
                if !wanted.is_done() {
                    let sweeping = &self.stream.sweeping;
                    wanted = sweeping.gather(node, self.channel, wanted).await?;
                }
                let taken = match wanted.is_done() {
                    true => None,
                    false => Some(turn(&node.reads, TURN).await?),
                };
                self.deadline = Instant::now() + PATIENCE;
                taken
            }
        };
        if !wanted.is_done() {
            let batch = range.limit.saturating_add(1);
            let (from, to) = (wanted.from, wanted.to);
            let _all = self.walk(from, to, batch, |it| wanted.take(it)).await?;
        }
        let proof = self.proof(after, taken).await?;
        self.page(wanted.publications, proof, wanted.has_more)
    }

    async fn backward(mut self, before: u64, range: Range) -> Result<Page, Error> {
        let _turn = turn(&self.node.reads, PATIENCE).await?;
        self.deadline = Instant::now() + PATIENCE;
        let end = match self.top.is_empty {
            true => 0,
            false => before.min(self.top.position.offset.saturating_add(1)),
        };
        // Where the wanted ones begin is not known: a stretch that is too short is made longer.
        let mut span = (range.limit as u64).saturating_mul(4).max(64);
        let mut newest = VecDeque::new();
        loop {
            let start = end.saturating_sub(span).max(1);
            newest.clear();
            let take = |publication| {
                newest.push_back(publication);
                if newest.len() > range.limit.saturating_add(1) {
                    newest.pop_front();
                }
                ControlFlow::Continue(())
            };
            // Everything is taken; of what there is too much of, the newest stay.
            let _all = self.walk(start, end.saturating_sub(1), BATCH, take).await?;
            if newest.len() > range.limit || start <= 1 {
                break;
            }
            span = span.saturating_mul(8);
        }
        let mut found: Vec<_> = newest.into_iter().rev().collect();
        let mut has_more = found.len() > range.limit;
        found.truncate(range.limit);
        has_more |= cut(&mut found, range.max_bytes);
        self.page(found, Proof::None { removed: 0 }, has_more)
    }

    /// Gives each publication from one sequence to another to `take`, until it wants no more.
    pub(super) async fn walk(
        &self,
        from: u64,
        to: u64,
        batch: usize,
        mut take: impl FnMut(Publication) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut next = from;
        while next <= to {
            let got = self.get(next, batch.min(BATCH)).await?;
            if got.is_empty() && !self.is_lagging(next).await? {
                break;
            }
            for publication in got {
                let at = offset(&publication);
                if at > to {
                    return Ok(ControlFlow::Continue(()));
                }
                next = at + 1;
                if take(publication).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the leader has what a copy has not, after a pause in which the copy may get it. Otherwise it has gone.
    async fn is_lagging(&self, next: u64) -> Result<bool, Error> {
        if Instant::now() + PAUSE > self.deadline {
            let reason = "copies of the stream lag behind its leader".to_owned();
            return Err(Error::Unavailable(reason));
        }
        sleep(PAUSE).await;
        let newest = newest(self.node, self.stream, self.channel, self.deadline).await?;
        Ok(newest.is_some_and(|newest| newest >= next))
    }

    /// Some messages of the channel from a sequence on, of any copy.
    async fn get(&self, from: u64, count: usize) -> Result<Vec<Publication>, Error> {
        let request = json!({
            "seq": from,
            "next_by_subj": self.subject,
            "batch": count,
            "max_bytes": BATCH_BYTES,
        });
        let answers = get(self.node, self.stream, &request, self.deadline).await?;
        let epoch = self.stream.known_epoch()?;
        let messages = answers.iter().filter(|answer| answer.is_stored());
        let read = |it: &Answer| metadata::decode_stored(&it.headers, &it.payload, &epoch).ok();
        Ok(messages.filter_map(read).collect())
    }

    /// What was read, unless the stream was made anew since its top was known: the same offsets are others' then.
    fn page(
        self,
        publications: Vec<Publication>,
        proof: Proof,
        has_more: bool,
    ) -> Result<Page, Error> {
        if self.stream.known_epoch()? != self.top.position.epoch {
            let reason = "the stream was made anew while it was read";
            return Err(Error::Unavailable(reason.to_owned()));
        }
        let (is_gapless, removed) = match proof {
            Proof::Whole => (true, 0),
            Proof::None { removed } => (false, removed),
        };
        Ok(Page {
            top: self.top,
            publications,
            is_gapless,
            removed,
            has_more,
        })
    }
}

/// Asks a copy of a stream for a row of messages, over the connection for that.
pub(super) async fn get(
    node: &Node,
    stream: &KeptStream,
    request: &Value,
    deadline: Instant,
) -> Result<Vec<Answer>, Error> {
    let subject = format!("$JS.API.DIRECT.GET.{}", stream.name);
    let reader = node.reader.as_deref().unwrap_or(node);
    let found = ask(reader, &subject, request, Wants::Row, deadline).await;
    if found.is_err() {
        node.look.notify_one();
    }
    found
}

pub(super) fn offset(publication: &Publication) -> u64 {
    publication.place.as_ref().map_or(0, |place| place.offset)
}

/// Cuts a page at its bound in bytes; tells whether something was cut.
fn cut(publications: &mut Vec<Publication>, max_bytes: usize) -> bool {
    let mut bytes = 0;
    let fitting = publications.iter().enumerate().take_while(|(index, it)| {
        bytes += it.data.len();
        *index == 0 || bytes <= max_bytes
    });
    let fitting = fitting.count();
    let is_cut = fitting < publications.len();
    publications.truncate(fitting);
    is_cut
}
