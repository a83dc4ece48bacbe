//! What is known of one node.

use std::time::Duration;

use super::Moment;
use super::book::Run;
use super::effect::Asked;
use super::stream::Stream;
use crate::message::{Beat, Kind};

/// Whether a node lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    Alive,
    /// Its lease is over. It may come back.
    Gone,
    /// It said that it ends.
    Ended,
}

/// A node, as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    pub name: String,
    pub incarnation: u64,
    pub state: NodeState,
    pub connections: u64,
    /// Partitions that are held here, of which something of it is missing.
    pub missing: u32,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) incarnation: u64,
    pub(super) run: Run,
    pub(super) state: NodeState,
    /// When its lease is over.
    pub(super) until: Duration,
    lease: Duration,
    /// The number of its last beat.
    pub(super) beat: u64,
    pub(super) connections: u64,
    /// Whether it is news who is there: it came, or came back, when everything else was here.
    pub(super) is_news: bool,
    channels: Vec<Stream>,
    users: Vec<Stream>,
}

impl Node {
    pub(super) fn new(incarnation: u64, run: Run, partitions: u32, at: Moment) -> Self {
        let streams = || (0..partitions).map(|_| Stream::default()).collect();
        Self {
            incarnation,
            run,
            state: NodeState::Alive,
            until: at.now,
            lease: Duration::ZERO,
            beat: 0,
            connections: 0,
            is_news: false,
            channels: streams(),
            users: streams(),
        }
    }

    /// Takes what a beat says of the node itself. One that was overtaken renews nothing that is there already.
    pub(super) fn heard(&mut self, beat: &Beat, at: Moment) {
        self.lease = Duration::from_millis(beat.lease_ms.into());
        self.until = at.now + self.lease;
        if beat.number >= self.beat {
            self.beat = beat.number;
            self.connections = beat.connections;
        }
    }

    /// Gives it a whole lease again.
    pub(super) fn renew(&mut self, at: Moment) {
        if self.state == NodeState::Alive {
            self.until = self.until.max(at.now + self.lease);
        }
    }

    /// It was thought gone, and lives.
    pub(super) fn revive(&mut self, run: Run, at: Moment) {
        (self.state, self.run, self.is_news) = (NodeState::Alive, run, true);
        let streams = self.channels.iter_mut().chain(&mut self.users);
        streams.for_each(|stream| stream.reset(at.now));
    }

    pub(super) fn stream(&mut self, kind: Kind, partition: usize) -> &mut Stream {
        match kind {
            Kind::Channel => &mut self.channels[partition],
            Kind::User => &mut self.users[partition],
        }
    }

    /// Whether something is known of both streams of a partition.
    pub(super) fn is_known(&self, partition: usize) -> bool {
        self.channels[partition].is_known() && self.users[partition].is_known()
    }

    /// How many held partitions are not whole.
    pub(super) fn missing(&self, held: &[bool]) -> u32 {
        let is_missing = |at: &usize| {
            held[*at] && !(self.channels[*at].is_whole() && self.users[*at].is_whole())
        };
        u32::try_from((0..held.len()).filter(is_missing).count()).unwrap_or(u32::MAX)
    }

    /// The streams to ask for now, so that at most `maximum` are under way.
    pub(super) fn ask(&mut self, held: &[bool], maximum: usize, now: Duration) -> Vec<Asked> {
        let all = self.channels.iter().chain(&self.users);
        let under_way = all.filter(|stream| stream.is_asked(now)).count();
        let of = |kind| move |(at, stream)| (kind, at, stream);
        let channels = self.channels.iter_mut().enumerate().map(of(Kind::Channel));
        let users = self.users.iter_mut().enumerate().map(of(Kind::User));
        let mut streams: Vec<(Kind, usize, &mut Stream)> = channels.chain(users).collect();
        streams.retain(|(_, at, stream)| held[*at] && stream.is_due(now));
        let chosen = streams.into_iter().take(maximum.saturating_sub(under_way));
        let ask = |(kind, at, stream): (Kind, usize, &mut Stream)| Asked {
            kind,
            partition: u32::try_from(at).unwrap_or(u32::MAX),
            lapse: stream.ask(now),
        };
        chosen.map(ask).collect()
    }
}
