//! Signs of life of nodes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tidegate_backbone::{Ear, Error, Heard, Message, Subscription, Topic};
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use super::rebalance::{Load, Rebalance};
use super::{BEAT, Cluster, LEASE};

/// Nodes that are told apart; further ones are not waited for.
const MAX_NODES: usize = 1_024;

/// Bytes of a node's id.
const MAX_UID: usize = 64;

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sign {
    /// I am new: who else is here?
    Hello,
    /// I live.
    Beat,
    /// I am going.
    Farewell,
}

#[derive(Debug, Serialize, Deserialize)]
struct Beat {
    node: String,
    sign: Sign,
    #[serde(default)]
    load: Option<Load>,
}

/// What is known of another node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Other {
    /// When it was heard last.
    pub(super) heard: Instant,
    pub(super) load: Option<Load>,
}

impl Cluster {
    /// Says each second that this node lives, until the future is dropped.
    pub(crate) async fn live(self: Arc<Self>) -> Infallible {
        self.say(Sign::Hello).await;
        let mut rebalance = Rebalance::new(self.node.config.client.rebalance.clone());
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            self.say(Sign::Beat).await;
            self.give_away(rebalance.decide(self.load(), &self.loads(), Instant::now()));
        }
    }

    /// Says that this node is going.
    pub(crate) async fn leave(&self) {
        self.say(Sign::Farewell).await;
    }

    async fn say(&self, sign: Sign) {
        let beat = Beat {
            node: self.uid.clone(),
            sign,
            load: Some(self.load()),
        };
        let beat = serde_json::to_vec(&beat).expect("a beat is JSON");
        // While the bus is away nobody can ask this node anything either.
        let told = self
            .bus
            .tell(&Topic::node_beats(), Message::new(beat))
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "a sign of life was not sent");
        }
    }

    pub(super) async fn hear_beats(
        self: &Arc<Self>,
        runtime: Handle,
    ) -> Result<Subscription, Error> {
        let beats = Arc::new(Beats {
            cluster: Arc::downgrade(self),
            runtime,
        });
        self.bus.hear(&Topic::node_beats(), None, beats).await
    }

    fn load(&self) -> Load {
        Load {
            connections: self.node.counters.connections.get(),
            is_ready: self.node.is_ready(),
        }
    }

    /// What the other nodes that live have.
    fn loads(&self) -> BTreeMap<String, Option<Load>> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.retain(|_, it| it.heard.elapsed() < LEASE);
        let loads = others.iter().map(|(node, it)| (node.clone(), it.load));
        loads.collect()
    }

    /// Asks so many of the oldest connections to connect again.
    fn give_away(&self, count: usize) {
        if count > 0 {
            tracing::info!(
                count,
                "far more connections than other nodes, giving some away"
            );
            self.node.local.give_away(count);
        }
    }

    fn take_beat(&self, beat: Beat) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut others, beat, Instant::now());
    }
}

/// Notes a sign of life, as long as there is room for its node.
fn take(others: &mut BTreeMap<String, Other>, beat: Beat, now: Instant) {
    if beat.sign == Sign::Farewell {
        others.remove(&beat.node);
        return;
    }
    others.retain(|_, it| now.saturating_duration_since(it.heard) < LEASE);
    let is_known = others.contains_key(&beat.node);
    if is_known || others.len() < MAX_NODES && beat.node.len() <= MAX_UID {
        let load = beat.load;
        others.insert(beat.node, Other { heard: now, load });
    }
}

struct Beats {
    cluster: Weak<Cluster>,
    runtime: Handle,
}

impl Ear for Beats {
    fn hear(&self, heard: Heard) {
        let Some(cluster) = self.cluster.upgrade() else {
            return;
        };
        let Ok(beat) = serde_json::from_slice::<Beat>(&heard.message.data) else {
            return tracing::warn!("a sign of life of a node cannot be read");
        };
        if beat.node == cluster.uid {
            return;
        }
        let is_new = beat.sign == Sign::Hello;
        cluster.take_beat(beat);
        if is_new {
            self.runtime
                .spawn(async move { cluster.say(Sign::Beat).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_live_as_long_as_they_say_so_and_are_bounded_in_number() {
        let (mut others, now) = (BTreeMap::new(), Instant::now());
        let beat = |node: &str, sign| Beat {
            node: node.to_owned(),
            sign,
            load: None,
        };
        take(&mut others, beat("a", Sign::Hello), now);
        take(&mut others, beat("b", Sign::Beat), now);
        take(&mut others, beat("b", Sign::Farewell), now);
        assert_eq!(others.keys().collect::<Vec<_>>(), ["a"]);
        take(&mut others, beat("c", Sign::Beat), now + LEASE);
        assert_eq!(others.keys().collect::<Vec<_>>(), ["c"], "a was silent");
        take(&mut others, beat(&"x".repeat(MAX_UID + 1), Sign::Beat), now);
        assert_eq!(others.len(), 1);
        for number in 0..2 * MAX_NODES {
            take(
                &mut others,
                beat(&number.to_string(), Sign::Beat),
                now + LEASE,
            );
        }
        assert_eq!(others.len(), MAX_NODES);
    }
}
