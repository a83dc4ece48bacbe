//! What the conductor and its workers say to each other: one line of JSON each, over a worker's standard input and output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dialect;
use crate::latency::{Metric, Samples};
use crate::roster::Roster;
use crate::target::Target;
use crate::token::Credentials;

/// What a worker is for: the first line that it gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    pub roster: Roster,
    pub dialect: dialect::Name,
    /// Where its connections go, in turn.
    pub targets: Vec<Target>,
    /// Whether it speaks bare TCP instead of WebSocket.
    pub bare: bool,
    pub credentials: Credentials,
    pub role: Role,
    pub pace: Pace,
    /// How many addresses, from 127.0.0.1 on, its connections come from; 0 leaves it to the system.
    pub sources: u8,
    /// How a channel is named where it is published.
    pub subject: String,
    /// Messages per second that each client sends.
    pub inputs: f64,
    /// Subscriptions per second that come and go, in this worker.
    pub churn: f64,
    pub blink: Option<Blink>,
    /// Every so-manyth client stops reading once all are connected.
    pub slow: Option<u32>,
}

/// Which connections a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The clients whose numbers are `index` modulo `of`.
    Subscribers { index: u32, of: u32 },
    /// So many connections that publish.
    Publishers { connections: u32 },
}

/// How fast a worker connects.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Connections per second; none for as fast as they are answered.
    pub per_second: Option<f64>,
    /// Connections under way at a time.
    pub concurrency: u32,
    /// Whether a client that the server has no room for comes back when it is told to.
    pub honour_retry_after: bool,
}

/// How connections are lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Blink {
    /// Nanoseconds until a client comes back.
    pub offline: u64,
    pub losses: Losses,
}

/// When connections are lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Losses {
    /// By themselves, if at all.
    Never,
    /// All together, one second after the start.
    Once,
    /// Each client's every so many nanoseconds.
    Every(u64),
}

/// What a worker is to do next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// Connect and subscribe.
    Connect,
    /// Traffic: publish, send inputs, come and go. Times are those of [`crate::clock::now`].
    Start {
        start: u64,
        /// Latencies of messages that were meant to be sent before it do not count.
        measure: u64,
        end: u64,
    },
    /// Publish one message to each channel now.
    Burst,
    /// Tell when so many deliveries have come, from the beginning on.
    Await(u64),
    /// Tell the counts as they are now.
    Count,
    /// Let go of every connection.
    Drop,
    /// Tell the result, given what was published to each channel, and end.
    Finish { published: Vec<u32> },
}

/// What a worker tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Notice {
    /// Every connection has been tried.
    Connected,
    /// How it is at this second of the clock.
    Tick {
        second: u64,
        counters: Counters,
        latencies: BTreeMap<Metric, Samples>,
    },
    /// How it is now.
    Counted(Counters),
    /// What was published so far, by channel, and when the last stretch of it began.
    Published { counts: Vec<u32>, began: u64 },
    /// So many deliveries have come, the last one at this time.
    Reached { at: u64 },
    /// No connection is left.
    Dropped,
    /// The end.
    Done {
        counters: Counters,
        latencies: BTreeMap<Metric, Samples>,
        missing: u64,
    },
    /// It cannot go on.
    Failed(String),
}

/// What a worker counts, from its beginning on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections that are up, with all their subscriptions.
    pub live: u64,
    /// Times that a connection came up.
    pub connects: u64,
    /// Answers that the server has no room.
    pub busy: u64,
    /// Messages that came for the first time.
    pub deliveries: u64,
    pub late: u64,
    pub duplicates: u64,
    /// Messages on channels that are subscribed for a moment only.
    pub passing: u64,
    /// Bytes read from sockets.
    pub bytes: u64,
    /// Reads that brought something.
    pub reads: u64,
    pub published: u64,
    /// Publishes that were answered.
    pub acknowledged: u64,
    pub inputs: u64,
    pub subscribes: u64,
    pub unsubscribes: u64,
    /// Connections lost on purpose.
    pub blinks: u64,
    /// Recoveries that the server did not grant.
    pub unrecovered: u64,
    /// Connections that could not be made, commands refused and connections lost, by reason.
    pub faults: BTreeMap<String, u64>,
}

impl Counters {
    /// Adds what another worker counts.
    pub fn add(&mut self, other: &Self) {
        for (sum, value) in self.numbers().into_iter().zip(other.clone().numbers()) {
            *sum += *value;
        }
        for (reason, count) in &other.faults {
            *self.faults.entry(reason.clone()).or_default() += count;
        }
    }

    fn numbers(&mut self) -> [&mut u64; 16] {
        [
            &mut self.live,
            &mut self.connects,
            &mut self.busy,
            &mut self.deliveries,
            &mut self.late,
            &mut self.duplicates,
            &mut self.passing,
            &mut self.bytes,
            &mut self.reads,
            &mut self.published,
            &mut self.acknowledged,
            &mut self.inputs,
            &mut self.subscribes,
            &mut self.unsubscribes,
            &mut self.blinks,
            &mut self.unrecovered,
        ]
    }
}
