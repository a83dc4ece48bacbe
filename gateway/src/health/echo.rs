//! What a node tells itself through the backbone, by the same connection and subscriptions as what its clients hear.
//!
//! A connection that stays open and carries nothing any more, in one direction or both, shows here, before anybody else notices.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidegate_backbone::{Bus, Ear, Error, Heard, Message, Subscription, Topic};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::pulse::{Beating, Pulse};
use crate::config::HealthConfig;
use crate::counters::Counters;

/// Between two looks at whether it is late, for the log.
const LOOK: Duration = Duration::from_millis(500);

/// Of one node.
#[derive(Debug)]
pub(super) struct Echo {
    start: Instant,
    /// Locked for a look or a change.
    pulse: Mutex<Pulse>,
    /// The carrier is back: one is sent at once.
    again: Notify,
    counters: Arc<Counters>,
}

impl Echo {
    pub(super) fn new(config: &HealthConfig, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            pulse: Mutex::new(Pulse::new(config.echo_interval, config.echo_timeout)),
            again: Notify::new(),
            counters,
        })
    }

    /// How it stands now.
    pub(super) fn beating(&self) -> Beating {
        self.pulse().beating(self.now())
    }

    /// How long the newest was on its way.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.pulse().round_trip()
    }

    /// Hears from here on what the node of this id tells itself.
    pub(super) async fn listen(
        self: &Arc<Self>,
        bus: &dyn Bus,
        node: &str,
    ) -> Result<Subscription, Error> {
        let ear = Arc::clone(self);
        bus.hear(&Topic::node_echo(node), None, ear).await
    }

    /// Tells itself something again and again, and says in the log when that stops to come back.
    pub(super) async fn keep(&self, bus: &dyn Bus, node: &str) -> Infallible {
        let topic = Topic::node_echo(node);
        let send = async {
            loop {
                self.send(bus, &topic).await;
                let pause = self.pulse().pause(self.now());
                match pause {
                    Some(pause) => tokio::select! {
                        () = sleep(pause) => {}
                        () = self.again.notified() => {}
                    },
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            never = send => never,
            never = self.watch() => never,
        }
    }

    async fn send(&self, bus: &dyn Bus, topic: &Topic) {
        let sent = self.now().as_micros().to_string();
        // While the bus is away it is not told either, and late all the same.
        if let Err(error) = bus.tell(topic, Message::new(sent)).await {
            tracing::debug!(%error, "nothing was sent to this node itself");
        }
    }

    async fn watch(&self) -> Infallible {
        loop {
            sleep(LOOK).await;
            let now = self.now();
            self.tell(self.pulse().turn(now));
        }
    }

    fn tell(&self, turn: Option<Beating>) {
        match turn {
            Some(Beating::Lost(age)) => {
                self.counters.echoes_lost.add(1);
                tracing::warn!(
                    ?age,
                    "what this node tells itself does not come back, not ready"
                );
            }
            Some(_) => tracing::info!("what this node tells itself comes back again"),
            None => {}
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear for Echo {
    fn hear(&self, heard: Heard) {
        let text = std::str::from_utf8(&heard.message.data).ok();
        let Some(sent) = text.and_then(|text| text.parse().ok()) else {
            return tracing::warn!("what this node is said to have told itself cannot be read");
        };
        let now = self.now();
        let mut pulse = self.pulse();
        // It may have been late between two looks.
        self.tell(pulse.turn(now));
        pulse.hear(Duration::from_micros(sent), now);
        self.tell(pulse.turn(now));
    }

    fn interrupted(&self) {
        self.again.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tidegate_backbone::embedded::{Embedded, EmbeddedOptions};

    use super::*;

    #[tokio::test]
    async fn what_is_told_comes_back_and_nobody_else_hears_it() {
        let bus = Embedded::open(EmbeddedOptions::default()).unwrap();
        let (one, other) = (
            Echo::new(&HealthConfig::default(), Arc::default()),
            Echo::new(&HealthConfig::default(), Arc::default()),
        );
        let _one = one.listen(&bus, "one").await.unwrap();
        let _other = other.listen(&bus, "other").await.unwrap();
        one.send(&bus, &Topic::node_echo("one")).await;
        assert_eq!(one.beating(), Beating::Well);
        assert_eq!(other.beating(), Beating::NotYet);
    }
}
