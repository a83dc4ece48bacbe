//! A listener that remembers what it heard, and lets a case wait for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};

use super::{PATIENCE, publish};
use crate::{Backbone, Channel, Listener, Publication, Subscription};

/// The payload of a probe begins so. Probes are not part of what an ear heard.
const PROBE: &[u8] = b"\0probe:";

/// How long one probe may take before the next is sent.
const PROBE_PAUSE: Duration = Duration::from_millis(20);

/// A running subscription and what came of it.
#[derive(Debug)]
pub struct Ear {
    memory: Arc<Memory>,
    subscription: Subscription,
}

#[derive(Debug, Default)]
struct Memory(watch::Sender<Sounds>);

#[derive(Debug, Default)]
struct Sounds {
    heard: Vec<Publication>,
    probes: BTreeSet<Bytes>,
}

impl Listener for Memory {
    fn deliver(&self, publication: Publication) {
        self.0.send_modify(|sounds| {
            if publication.data.starts_with(PROBE) {
                sounds.probes.insert(publication.data);
            } else {
                sounds.heard.push(publication);
            }
        });
    }
}

impl Ear {
    pub(super) async fn open(node: &Arc<dyn Backbone>, channel: &Channel) -> Self {
        let memory = Arc::new(Memory::default());
        let listener = Arc::clone(&memory);
        let subscription = node
            .subscribe(channel, listener)
            .await
            .expect("a subscription");
        Self {
            memory,
            subscription,
        }
    }

    /// Publishes probes at `node` until one is heard.
    pub(super) async fn hear_probe(&self, node: &Arc<dyn Backbone>, channel: &Channel, name: &str) {
        let probe = Bytes::from([PROBE, name.as_bytes()].concat());
        let mut sounds = self.memory.0.subscribe();
        let end = Instant::now() + PATIENCE;
        loop {
            publish(node, channel, probe.clone()).await;
            let heard = sounds.wait_for(|sounds| sounds.probes.contains(&probe));
            if timeout(PROBE_PAUSE, heard).await.is_ok() {
                return;
            }
            assert!(
                Instant::now() < end,
                "no probe of the {name} node was heard on {channel}"
            );
        }
    }

    /// Waits until it has heard `count` publications, and says what it heard so far.
    pub(super) async fn hear(&self, count: usize) -> Vec<Publication> {
        let mut sounds = self.memory.0.subscribe();
        let enough = timeout(
            PATIENCE,
            sounds.wait_for(|sounds| sounds.heard.len() >= count),
        )
        .await;
        assert!(
            enough.is_ok(),
            "heard {} of {count} publications",
            self.heard().len()
        );
        self.heard()
    }

    /// Like [`Ear::hear`], but only the payloads, as text.
    pub(super) async fn hear_texts(&self, count: usize) -> Vec<String> {
        let heard = self.hear(count).await;
        heard
            .iter()
            .map(|publication| String::from_utf8_lossy(&publication.data).into_owned())
            .collect()
    }

    /// What it heard so far.
    pub(super) fn heard(&self) -> Vec<Publication> {
        self.memory.0.borrow().heard.clone()
    }

    /// Drops the subscription and keeps the memory.
    pub(super) fn unsubscribe(self) -> impl Fn() -> Vec<Publication> {
        drop(self.subscription);
        let memory = self.memory;
        move || memory.0.borrow().heard.clone()
    }
}
