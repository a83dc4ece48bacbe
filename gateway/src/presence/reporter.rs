//! Tells the presence service what changed, and that the node lives. One task a node, so that the reports of a stream are in
//! their order.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{self as backbone, Error, Message, Subscription};
use tidegate_proto::node::{Beat, Kind, report};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::Presence;
use super::ears::{Call, NodeGone, SnapshotRequest};
use super::report::StreamId;
use super::stream::Lapse;

/// Orders that wait for the reporter. One more of the presence service's is dropped: it asks again.
pub(super) const ORDERS: usize = 1_024;

/// How long a change waits for others.
const GATHER: Duration = Duration::from_millis(5);

/// Time between two attempts to hear the presence service.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the reporter is to do besides what it does by itself.
#[derive(Debug)]
pub(super) enum Order {
    /// Tell what changed in a stream now, then say so.
    Flush(StreamId, oneshot::Sender<()>),
    /// Announce again who left by these lapses, and tell everything of these streams.
    Snapshots(Vec<StreamId>, Vec<Lapse>),
    /// Say that the node lives.
    Beat,
}

impl Presence {
    /// Reports, hears the presence service, and carries joins and leaves, for as long as it is polled.
    pub(crate) async fn run(self: Arc<Self>) {
        tokio::join!(self.report(), self.hear(), self.events.run());
    }

    /// Says goodbye, once [`Presence::run`] is not polled any more and the clients have gone.
    pub(crate) async fn goodbye(&self) {
        self.flush_changed().await;
        self.events.tell_rest().await;
        let beat = Beat {
            is_last: true,
            ..self.next_beat()
        };
        self.tell_beat(beat).await;
    }

    async fn report(&self) {
        let mut orders = self.queue.lock().await;
        let mut beats = interval(self.lease / 4);
        let mut due = None;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                () = self.streams.news(), if due.is_none() => due = Some(Instant::now() + GATHER),
                () = sleep_until_some(due) => {
                    due = None;
                    self.flush_changed().await;
                }
                _ = beats.tick() => self.beat().await,
            }
        }
    }

    async fn obey(&self, order: Order) {
        match order {
            Order::Flush(stream, done) => {
                self.tell(stream, self.streams.take(stream)).await;
                // Who asked may not wait any more.
                let _gone = done.send(());
            }
            Order::Snapshots(streams, lapses) => {
                lapses.into_iter().for_each(|lapse| self.announce(lapse));
                for stream in streams {
                    let reports = self.streams.take_with_snapshot(stream);
                    self.counters.presence_snapshots.add(reports.len() as u64);
                    self.tell(stream, reports).await;
                }
            }
            Order::Beat => self.beat().await,
        }
    }

    /// Tells others that those are there of whom they were told that they left.
    fn announce(&self, lapse: Lapse) {
        let beat = self.beats.load(Ordering::Relaxed);
        self.streams.name_returned(lapse, beat, |channel, member| {
            if member.is_announced {
                self.events.tell_return(channel, &member.info(), beat);
            }
        });
    }

    async fn flush_changed(&self) {
        for stream in self.streams.take_changed() {
            self.tell(stream, self.streams.take(stream)).await;
        }
    }

    async fn tell(&self, stream: StreamId, reports: Vec<report::Body>) {
        let partition = Some(stream.partition);
        let topic = match stream.kind() {
            Kind::User => backbone::Topic::presence_user_changes(partition),
            Kind::Channel | Kind::Unspecified => {
                backbone::Topic::presence_channel_changes(partition)
            }
        };
        for body in reports {
            let data = self.identity.report(stream, body, super::now());
            self.counters.presence_reports.add(1);
            self.say(&topic, data).await;
        }
    }

    /// Says that the node lives, and how far its numbers are.
    async fn beat(&self) {
        self.flush_changed().await;
        let (channel_numbers, user_numbers) = self.streams.numbers();
        let beat = Beat {
            channel_numbers,
            user_numbers,
            ..self.next_beat()
        };
        self.tell_beat(beat).await;
    }

    fn next_beat(&self) -> Beat {
        Beat {
            number: self.beats.fetch_add(1, Ordering::Relaxed) + 1,
            lease_ms: u32::try_from(self.lease.as_millis()).unwrap_or(u32::MAX),
            connections: self.counters.connections.get(),
            sent_at: super::now(),
            ..Beat::default()
        }
    }

    async fn tell_beat(&self, beat: Beat) {
        let data = self.identity.beat(beat);
        self.say(&backbone::Topic::presence_beats(), data).await;
    }

    /// What is lost leaves a gap in the numbers, for which the presence service asks a snapshot.
    async fn say(&self, topic: &backbone::Topic, data: Bytes) {
        if let Err(error) = self.backbone.tell(topic, Message::new(data)).await {
            tracing::debug!(%topic, %error, "presence service not told");
        }
    }

    async fn hear(self: &Arc<Self>) {
        let _subscriptions = loop {
            match self.open().await {
                Ok(subscriptions) => break subscriptions,
                Err(error) => tracing::warn!(%error, "cannot hear the presence service"),
            }
            sleep(PATIENCE).await;
        };
        // Whoever listens already may ask for what they lack now.
        self.order(Order::Beat);
        pending().await
    }

    async fn open(self: &Arc<Self>) -> Result<Vec<Subscription>, Error> {
        let bus = &self.backbone;
        let call = backbone::Topic::presence_call();
        let own = backbone::Topic::presence_node(&self.identity.node);
        let gone = backbone::Topic::presence_gone(None);
        let (calls, requests, gone) = tokio::try_join!(
            bus.hear(&call, None, Call::of(self)),
            bus.hear(&own, None, SnapshotRequest::of(self)),
            bus.hear(&gone, None, NodeGone::of(self)),
        )?;
        Ok(vec![calls, requests, gone])
    }

    /// Gives an order, unless too many wait already.
    pub(super) fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::debug!(%error, "the reporter of presence is busy");
        }
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
