//! Reads of channels of one stream that wait for their turn, done together where that is less work: a sweep goes through the stream
//! once, and gives everybody what is theirs.
//!
//! To read one channel a server looks through all that the stream has between that channel's messages. When the clients of a
//! node that was lost come to another one, each with channels of its own, each read would look through the same stretch.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot::{self, Sender};
use tokio::time::{Instant, sleep, timeout};

use super::reading::{TURN, Wanted, crowded, get};
use super::{KeptStream, PATIENCE, PAUSE};
use crate::nats::metadata;
use crate::nats::node::Node;
use crate::{Channel, Error};

/// Messages that a server passes over in the time in which a sweep reads one.
const PASSED_OVER: u64 = 36;

/// Messages of one get.
const BATCH: usize = 4_096;

/// Bytes after which one get ends.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of payloads that a sweep gathers; who has not got everything by then reads alone.
const GATHERED: usize = 256 * 1024 * 1024;

/// Reads come in while places are asked for: a sweep begins when none came for so long, or after [`GATHERING`].
const QUIET: Duration = Duration::from_millis(200);
const GATHERING: Duration = Duration::from_secs(2);

/// Gets without a message in a row, [`PAUSE`] apart, after which a sweep ends: a copy may lag.
const EMPTY: u32 = 5;

/// The reads of one stream that wait.
#[derive(Debug, Default)]
pub(super) struct Sweeping(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    reads: Vec<Read>,
    /// A task sees to them.
    is_seen_to: bool,
}

#[derive(Debug)]
struct Read {
    subject: String,
    wanted: Wanted,
    answer: Sender<Wanted>,
}

impl Sweeping {
    /// What is wanted of a channel, if it is had by a sweep; as it was given, if it is to be read alone.
    pub(super) async fn gather(
        &self,
        node: &Arc<Node>,
        channel: &Channel,
        wanted: Wanted,
    ) -> Result<Wanted, Error> {
        let (answer, answered) = oneshot::channel();
        let read = Read {
            subject: node.subjects.publication(channel),
            wanted: wanted.clone(),
            answer,
        };
        let is_seen_to = {
            let mut waiting = self.waiting();
            waiting.reads.push(read);
            mem::replace(&mut waiting.is_seen_to, true)
        };
        if !is_seen_to {
            // Who waits may go, and the others are to be served all the same.
            tokio::spawn(see_to(Arc::clone(node), channel.clone()));
        }
        match timeout(TURN, answered).await {
            // The task has ended with its runtime.
            Ok(answer) => Ok(answer.unwrap_or(wanted)),
            Err(_) => Err(crowded()),
        }
    }

    /// Those who wait still, when no more come.
    async fn take(&self) -> Vec<Read> {
        let end = Instant::now() + GATHERING;
        let mut count = self.waiting().reads.len();
        while count as u64 >= PASSED_OVER && Instant::now() < end {
            sleep(QUIET).await;
            if mem::replace(&mut count, self.waiting().reads.len()) == count {
                break;
            }
        }
        let mut waiting = self.waiting();
        let mut reads = mem::take(&mut waiting.reads);
        reads.retain(|read| !read.answer.is_closed());
        waiting.is_seen_to = !reads.is_empty();
        reads
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the next one see to who comes, if this one ends early.
struct Shift<'a>(&'a Sweeping);

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        // Their senders are dropped, and they read alone.
        *self.0.waiting() = Waiting::default();
    }
}

/// Sees to those who wait for the stream of a channel until there are none.
async fn see_to(node: Arc<Node>, channel: Channel) {
    let Some(stream) = node.streams.of(&channel) else {
        return;
    };
    let shift = Shift(&stream.sweeping);
    loop {
        let Ok(_turn) = node.reads.acquire().await else {
            return;
        };
        let reads = stream.sweeping.take().await;
        if reads.is_empty() {
            return mem::forget(shift);
        }
        let (together, alone) = divide(reads);
        alone.into_iter().for_each(Read::end);
        sweep(&node, stream, together).await;
    }
}

/// Those for whom one sweep is less work than a read each, and the others.
fn divide(mut reads: Vec<Read>) -> (Vec<Read>, Vec<Read>) {
    reads.sort_unstable_by_key(|read| std::cmp::Reverse(read.wanted.from));
    let end = reads.iter().map(|read| read.wanted.to).max().unwrap_or(0);
    let (mut passed_over, mut count) = (0_u64, 0);
    for (index, read) in reads.iter().enumerate() {
        let Wanted { from, to, .. } = read.wanted;
        passed_over = passed_over.saturating_add(to.saturating_sub(from) + 1);
        if passed_over / PASSED_OVER > end.saturating_sub(from) {
            count = index + 1;
        }
    }
    let alone = reads.split_off(count);
    (reads, alone)
}

/// Reads a stream once for all of them. Who has not got everything in the end reads alone.
async fn sweep(node: &Arc<Node>, stream: &KeptStream, reads: Vec<Read>) {
    let froms = reads.iter().map(|read| read.wanted.from);
    let (Some(mut next), count) = (froms.min(), reads.len()) else {
        return;
    };
    let mut by_subject: HashMap<String, Vec<Read>> = HashMap::with_capacity(count);
    for read in reads {
        by_subject
            .entry(read.subject.clone())
            .or_default()
            .push(read);
    }
    let (begin, epoch) = (Instant::now(), stream.epoch());
    let (mut gathered, mut empty) = (0, 0);
    while !by_subject.is_empty() && gathered < GATHERED && empty < EMPTY {
        let before = next;
        match page(node, stream, &mut next, &mut by_subject).await {
            // Another incarnation has other sequences: what was taken is for nobody.
            Ok(_) if stream.epoch() != epoch => return,
            Ok(bytes) => gathered += bytes,
            Err(error) => {
                tracing::debug!(stream = stream.name, %error, "a sweep ends early");
                break;
            }
        }
        if next == before {
            empty += 1;
            sleep(PAUSE).await;
        } else {
            empty = 0;
        }
        by_subject.retain(|_, reads| {
            let done = reads.extract_if(.., |read| {
                read.wanted.from = read.wanted.from.max(next);
                read.wanted.is_done()
            });
            done.for_each(Read::end);
            !reads.is_empty()
        });
    }
    let (stream, time, left) = (&stream.name, begin.elapsed(), by_subject.len());
    tracing::debug!(stream, count, ?time, left, "channels were read together");
    let left = by_subject.into_values().flatten();
    left.for_each(Read::end);
}

/// Reads some messages of a stream from a sequence on, which is moved behind them; gives the bytes that were wanted of them.
async fn page(
    node: &Node,
    stream: &KeptStream,
    next: &mut u64,
    by_subject: &mut HashMap<String, Vec<Read>>,
) -> Result<usize, Error> {
    let request = json!({
        "seq": *next,
        "next_by_subj": stream.stored,
        "batch": BATCH,
        "max_bytes": BATCH_BYTES,
    });
    let deadline = Instant::now() + PATIENCE;
    let answers = get(node, stream, &request, deadline).await?;
    let epoch = stream.known_epoch()?;
    let mut bytes = 0;
    for answer in answers.iter().filter(|answer| answer.is_stored()) {
        let Some(sequence) = answer.sequence().filter(|it| it >= next) else {
            continue;
        };
        *next = sequence + 1;
        let reads = answer.header("Nats-Subject");
        let Some(reads) = reads.and_then(|subject| by_subject.get_mut(subject)) else {
            continue;
        };
        let is_wanted = |it: &Wanted| !it.is_done() && (it.from..=it.to).contains(&sequence);
        for read in reads.iter_mut().filter(|it| is_wanted(&it.wanted)) {
            let decoded = metadata::decode_stored(&answer.headers, &answer.payload, &epoch);
            if let Ok(publication) = decoded {
                bytes += publication.data.len();
                let _full = read.wanted.take(publication);
            }
        }
    }
    Ok(bytes)
}

impl Read {
    /// Gives back what is wanted, with everything or as it was.
    fn end(self) {
        // Who has given up needs none.
        let _gone = self.answer.send(self.wanted);
    }
}

#[cfg(test)]
mod tests;
