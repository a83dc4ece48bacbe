//! A stream's messages, in its order, read by batched direct gets from where the archive is.
//!
//! Where to go on is known to who keeps what is delivered, durably and together with it, so the server has nothing to
//! remember, and an acknowledgement is a step of this value.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::settings::{self, Info};
use super::{KeptStream, PATIENCE, Wants, ask, removing};
use crate::nats::inbox::Answer;
use crate::nats::metadata;
use crate::nats::node::Node;
use crate::{Channel, Delivery, Epoch, Error, Feed, Partition, Position};

/// Messages of one delivery.
const BATCH: usize = 512;

/// Bytes after which one delivery ends.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Between two looks at a stream that has nothing new.
const LOOK: Duration = Duration::from_millis(200);

/// Delivers one of the streams of a namespace.
pub(in crate::nats) struct NatsFeed {
    node: Arc<Node>,
    namespace: Option<String>,
    partition: Partition,
    /// Everything up to here has been acknowledged.
    acknowledged: Option<Position>,
}

impl NatsFeed {
    /// A feed of what is behind a position; `None` for everything. Nothing, if the namespace has not so many streams.
    pub(in crate::nats) fn new(
        node: &Arc<Node>,
        namespace: Option<&str>,
        partition: Partition,
        after: Option<Position>,
    ) -> Option<Self> {
        node.streams.partition(namespace, partition)?;
        Some(Self {
            node: Arc::clone(node),
            namespace: namespace.map(str::to_owned),
            partition,
            acknowledged: after,
        })
    }

    fn stream(&self) -> Result<&KeptStream, Error> {
        let namespace = self.namespace.as_deref();
        let stream = self.node.streams.partition(namespace, self.partition);
        stream.ok_or_else(|| Error::Unavailable("the stream is gone".to_owned()))
    }

    async fn look(&self) -> Result<Info, Error> {
        let deadline = Instant::now() + PATIENCE;
        let stream = self.stream()?;
        if let Some(position) = &self.acknowledged {
            // It outlives restarts of everything else: nodes that know less are to hear of it.
            stream.mark().reach(&position.epoch, position.offset);
        }
        settings::info(&self.node, stream, None, deadline).await
    }

    async fn deliver(&self) -> Result<Delivery, Error> {
        loop {
            let before = self.look().await?;
            let epoch = before.epoch();
            let after = match &self.acknowledged {
                Some(position) if position.epoch == epoch => position.offset,
                Some(_) | None => 0,
            };
            if before.state.last_seq > after
                && let Some(delivery) = self.get(&epoch, after).await?
            {
                return Ok(delivery);
            }
            sleep(LOOK).await;
        }
    }

    /// What is behind a sequence; `None` if nothing is, or the stream was made anew meanwhile.
    async fn get(&self, epoch: &Epoch, after: u64) -> Result<Option<Delivery>, Error> {
        let stream = self.stream()?;
        let api = format!("$JS.API.DIRECT.GET.{}", stream.name);
        let request = json!({
            "seq": after + 1,
            "next_by_subj": stream.stored,
            "batch": BATCH,
            "max_bytes": BATCH_BYTES,
        });
        let deadline = Instant::now() + PATIENCE;
        let answers = ask(&self.node, &api, &request, Wants::Row, deadline).await?;
        let mut delivery = Delivery {
            namespace: self.namespace.clone(),
            partition: self.partition,
            epoch: Epoch::clone(epoch),
            publications: Vec::new(),
            passed_over: Vec::new(),
            watermark: after,
            lag: 0,
        };
        for answer in answers.iter().filter(|answer| answer.is_stored()) {
            self.add(&mut delivery, answer)?;
        }
        if delivery.watermark == after {
            return Ok(None);
        }
        // A message does not say which incarnation it is of: it is of this one if this one is still there.
        let now = self.look().await?;
        delivery.lag = now.state.last_seq.saturating_sub(delivery.watermark);
        Ok((now.epoch() == *epoch).then_some(delivery))
    }

    /// Adds a message; what is no publication of a channel of this namespace is passed over.
    fn add(&self, delivery: &mut Delivery, answer: &Answer) -> Result<(), Error> {
        let strange = || Error::Unavailable("a message does not say where it stands".to_owned());
        let read = metadata::decode_stored(&answer.headers, &answer.payload, &delivery.epoch);
        let publication = read.map_err(|_| strange())?;
        let offset = publication.place.as_ref().ok_or_else(strange)?.offset;
        delivery.watermark = delivery.watermark.max(offset);
        match self.channel(answer) {
            Some(channel) => delivery.publications.push((channel, publication)),
            None => {
                delivery.passed_over.push(offset);
                delivery.passed_over.extend(self.removed(answer, offset));
            }
        }
        Ok(())
    }

    /// The sequence that a mark says was removed: nobody can ask for it any more, so who has not seen it misses nothing.
    fn removed(&self, answer: &Answer, mark: u64) -> Option<u64> {
        let subject = answer.header("Nats-Subject")?;
        self.node.subjects.is_removed(subject).then_some(())?;
        let removed = removing::sequence(&answer.payload)?;
        (removed < mark).then_some(removed)
    }

    fn channel(&self, answer: &Answer) -> Option<Channel> {
        let subject = answer.header("Nats-Subject")?;
        let channel = self.node.subjects.channel(subject)?;
        let Partition { number, of } = self.partition;
        // Whoever may publish on the subjects of partitions can put a channel where nobody looks for it.
        let is_here = self.node.subjects.partition_of(&channel, of) == number;
        (is_here && channel.namespace() == self.namespace.as_deref()).then_some(channel)
    }
}

impl Feed for NatsFeed {
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, Error>> {
        Box::pin(self.deliver())
    }

    fn acknowledge<'a>(&'a mut self, delivery: &'a Delivery) -> BoxFuture<'a, Result<(), Error>> {
        self.acknowledged = Some(Position {
            epoch: Epoch::clone(&delivery.epoch),
            offset: delivery.watermark,
        });
        Box::pin(ready(Ok(())))
    }
}

impl std::fmt::Debug for NatsFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsFeed")
            .field("namespace", &self.namespace)
            .field("partition", &self.partition)
            .field("acknowledged", &self.acknowledged)
            .finish_non_exhaustive()
    }
}
