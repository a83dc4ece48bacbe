//! What the service tells on the bus: that it lives, and what its roster wants told.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tidegate_backbone::{Bus, Message, Topic};
use tidegate_proto::node::partition;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::desk::Desk;
use crate::message::{ReplicaBeat, encode};
use crate::roster::Effect;

/// How long a replica counts as living after its last beat.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// Between two beats: often enough to know that the bus carries them.
const BEAT: Duration = Duration::from_millis(300);

/// Calls for the beats of nodes at the start, one with each of our own.
const CALLS: u32 = 3;

/// Who tells, and how many partitions there are.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) replica: String,
    pub(crate) partitions: u32,
}

impl Teller {
    /// Says that this replica lives, until it is dropped.
    pub(crate) async fn beat(self, desk: Desk) -> Infallible {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let progress = desk.progress();
        let mut calls = 0;
        loop {
            beats.tick().await;
            let offered = progress.borrow().offered.clone();
            self.tell_beat(offered, false).await;
            if calls < CALLS {
                self.tell(&Topic::presence_call(), encode::call()).await;
                calls += 1;
            }
        }
    }

    /// Says that this replica ends.
    pub(crate) async fn end(&self) {
        self.tell_beat(Vec::new(), true).await;
    }

    async fn tell_beat(&self, ready: Vec<u32>, is_last: bool) {
        let beat = ReplicaBeat {
            replica: self.replica.clone(),
            lease_ms: u32::try_from(LEASE.as_millis()).unwrap_or(u32::MAX),
            ready,
            is_last,
        };
        let bytes = encode::replica_beat(beat, self.partitions);
        self.tell(&Topic::presence_replicas(), bytes).await;
    }

    /// Does what the roster wants, as long as there is one.
    pub(crate) async fn tell_effects(self, mut effects: mpsc::Receiver<Effect>) {
        while let Some(effect) = effects.recv().await {
            match effect {
                Effect::Ask { node, request } => {
                    let bytes = encode::snapshot_request(request, self.partitions);
                    self.tell(&Topic::presence_node(&node), bytes).await;
                }
                Effect::Gone(leaves) => {
                    let topic = Topic::presence_gone(Some(leaves.partition));
                    for bytes in encode::gone(leaves, &self.replica, self.partitions) {
                        self.tell(&topic, bytes).await;
                    }
                }
                Effect::Online {
                    user,
                    is_online,
                    at,
                } => {
                    let topic = Topic::presence_online(Some(partition(&user, self.partitions)));
                    self.tell(&topic, online(&user, is_online, at)).await;
                }
                // Those are for watches.
                Effect::Joined(_) | Effect::Left { .. } => {}
            }
        }
    }

    async fn tell(&self, topic: &Topic, bytes: Bytes) {
        // Unavailable: nobody hears anybody then, and what matters is asked for again.
        if let Err(error) = self.bus.tell(topic, Message::new(bytes)).await {
            tracing::debug!(%topic, %error, "not told");
        }
    }
}

/// What backends hear of a user who came or went, in JSON: `user`, `online`, `at`, and `last_seen` of one who went.
fn online(user: &str, is_online: bool, at: u64) -> Bytes {
    let mut text = json!({ "user": user, "online": is_online, "at": at });
    if !is_online {
        text["last_seen"] = at.into();
    }
    text.to_string().into()
}
