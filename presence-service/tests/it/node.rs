//! A simulated node on a bus: it answers for its clients as a gateway does.

#![expect(
    clippy::unwrap_used,
    reason = "what a simulated node cannot do fails its test"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bytes::Bytes;
use tidegate_backbone::{Bus, Ear, Heard, Message, Subscription, Topic};
use tidegate_presence_service::message::{Change, Kind, Report, decode, encode};
use tidegate_presence_service::simulator::SimulatedNode;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub(crate) const PARTITIONS: u32 = 64;

/// Long enough that a busy machine does not end it, short enough to be awaited.
const LEASE_MS: u32 = 4_000;

#[derive(Clone)]
struct Voice {
    bus: Arc<dyn Bus>,
    node: Arc<Mutex<SimulatedNode>>,
}

/// Lives, until it is dropped; then it is silent, as one that was killed.
pub(crate) struct Node {
    voice: Voice,
    beats: JoinHandle<()>,
    _subscriptions: Vec<Subscription>,
}

fn wall() -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(wall.as_millis()).unwrap()
}

impl Node {
    pub(crate) async fn start(bus: &Arc<dyn Bus>, name: &str, incarnation: u64) -> Result<Self> {
        let node = SimulatedNode::new(name, incarnation, PARTITIONS, LEASE_MS);
        let voice = Voice {
            bus: Arc::clone(bus),
            node: Arc::new(Mutex::new(node)),
        };
        let call = voice.clone().ear(|voice, _| voice.beats());
        let asked = voice.clone().ear(|voice, data| voice.snapshots(data));
        let subscriptions = vec![
            bus.hear(&Topic::presence_call(), None, call).await?,
            bus.hear(&Topic::presence_node(name), None, asked).await?,
        ];
        let beating = voice.clone();
        // Nothing of a node is believed before its first beat.
        voice.tell(voice.beats()).await;
        let beats = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis((LEASE_MS / 8).into())).await;
                beating.tell(beating.beats()).await;
            }
        });
        Ok(Self {
            voice,
            beats,
            _subscriptions: subscriptions,
        })
    }

    /// Something happens to its clients.
    pub(crate) async fn change(&self, change: Change) {
        let report = self.voice.node.lock().unwrap().change(change, wall());
        self.voice.tell(vec![address(report)]).await;
    }

    /// It ends as it should, and says so.
    pub(crate) async fn end(self) {
        // A beat after the last one would be the first of another node.
        self.beats.abort();
        let beat = self.voice.node.lock().unwrap().last_beat();
        let beat = encode::beat(beat, PARTITIONS, wall());
        self.voice.tell(vec![(Topic::presence_beats(), beat)]).await;
    }

    /// Something happens that nobody hears of.
    pub(crate) fn change_unheard(&self, change: Change) {
        drop(self.voice.node.lock().unwrap().change(change, wall()));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.beats.abort();
    }
}

type Said = (Topic, Bytes);

impl Voice {
    fn beats(&self) -> Vec<Said> {
        let beat = self.node.lock().unwrap().beat();
        vec![(
            Topic::presence_beats(),
            encode::beat(beat, PARTITIONS, wall()),
        )]
    }

    fn snapshots(&self, data: Bytes) -> Vec<Said> {
        let request = decode::snapshot_request(data, PARTITIONS).unwrap();
        let node = self.node.lock().unwrap();
        let partitions = request.partitions.iter();
        let chunks = partitions.flat_map(|it| node.snapshot(request.kind, *it, wall()));
        chunks.map(address).collect()
    }

    async fn tell(&self, said: Vec<Said>) {
        for (topic, bytes) in said {
            // A bus that is away is what some tests are about.
            let _ = self.bus.tell(&topic, Message::new(bytes)).await;
        }
    }

    fn ear(self, says: fn(&Self, Bytes) -> Vec<Said>) -> Arc<dyn Ear> {
        Arc::new(NodeEar {
            voice: self,
            says,
            runtime: Handle::current(),
        })
    }
}

fn address(report: Report) -> Said {
    let partition = Some(report.partition);
    let topic = match report.kind {
        Kind::Channel => Topic::presence_channel_changes(partition),
        Kind::User => Topic::presence_user_changes(partition),
    };
    (topic, encode::report(report, PARTITIONS))
}

struct NodeEar {
    voice: Voice,
    says: fn(&Voice, Bytes) -> Vec<Said>,
    runtime: Handle,
}

impl Ear for NodeEar {
    fn hear(&self, heard: Heard) {
        let voice = self.voice.clone();
        let said = (self.says)(&voice, heard.message.data);
        self.runtime.spawn(async move { voice.tell(said).await });
    }
}

/// Collects what is said about a topic.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<(Topic, Bytes)>>>);

impl Collector {
    pub(crate) fn all(&self) -> Vec<(Topic, Bytes)> {
        self.0.lock().unwrap().clone()
    }
}

impl Ear for Collector {
    fn hear(&self, heard: Heard) {
        self.0
            .lock()
            .unwrap()
            .push((heard.topic, heard.message.data));
    }
}
