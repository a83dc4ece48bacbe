//! Subscriptions that come and go: a client subscribes, and takes it back as soon as that is answered.

use std::collections::HashMap;

use super::Worker;
use super::client::Stage;
use super::events::Happened;
use crate::clock;
use crate::dialect::{CHURN, PUBLISH, Recovery, Subscription};
use crate::latency::Metric;
use crate::schedule::{Progress, Schedule};

/// Channels that are subscribed in turn.
const CHANNELS: u64 = 10_000;

/// Clients that are asked whether they are free, for one subscription.
const SEARCH: u64 = 64;

/// What a client awaits.
#[derive(Debug)]
struct Pending {
    channel: String,
    /// When what it awaits was meant to be sent.
    intended: u64,
    subscribed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Churning {
    progress: Option<Progress>,
    pending: HashMap<usize, Pending>,
    /// The last client and the last id.
    client: u64,
    id: u32,
}

impl Churning {
    /// So many subscriptions per second.
    pub(super) fn start(&mut self, rate: f64, start: u64, end: u64) {
        self.progress = Some(Progress::new(Schedule { start, end, rate }));
    }

    pub(super) fn next_moment(&self) -> Option<u64> {
        self.progress.as_ref().and_then(Progress::next)
    }

    fn due(&mut self, now: u64) -> Option<(u64, u64)> {
        self.progress.as_mut()?.due(now)
    }

    fn next_id(&mut self) -> u32 {
        self.id = (self.id + 1) % (PUBLISH - CHURN);
        CHURN + self.id
    }
}

impl Worker {
    pub(super) fn churn_due(&mut self, now: u64) {
        while let Some((number, intended)) = self.churning.due(now) {
            let Some(index) = self.free_client() else {
                self.tally.fault("churn: no client was free");
                continue;
            };
            let channel = format!("churn-{}", number % CHANNELS);
            let subscription = Subscription {
                id: self.churning.next_id(),
                channel: channel.clone(),
                recovery: Recovery::Off,
            };
            let mut frames = self.outgoing.frames(self.framing);
            self.dialect.subscribe(&subscription, &mut frames);
            let pending = Pending {
                channel,
                intended,
                subscribed: false,
            };
            self.churning.pending.insert(index, pending);
            self.flush(index);
        }
    }

    /// A client that is live and awaits nothing.
    fn free_client(&mut self) -> Option<usize> {
        let clients = self.clients.len() as u64;
        for _ in 0..SEARCH.min(clients) {
            self.churning.client = (self.churning.client + 1) % clients;
            let index = self.churning.client as usize;
            let client = &self.clients[index];
            let free = !self.churning.pending.contains_key(&index);
            if free && client.stage == Stage::Live && !client.slow {
                return Some(index);
            }
        }
        None
    }

    /// A subscription that comes and goes has come or gone.
    pub(super) fn churned(&mut self, index: usize, event: Happened) {
        let Some(mut pending) = self.churning.pending.remove(&index) else {
            return;
        };
        if let Happened::Refused { reason, .. } = event {
            return self.tally.fault(&format!("churn refused: {reason}"));
        }
        let now = clock::now();
        let metric = match pending.subscribed {
            false => Metric::Subscribe,
            true => Metric::Unsubscribe,
        };
        if pending.intended >= self.traffic.measure {
            self.tally.record(metric, now - pending.intended);
        }
        if pending.subscribed {
            self.tally.counters.unsubscribes += 1;
            return;
        }
        self.tally.counters.subscribes += 1;
        let id = self.churning.next_id();
        let mut frames = self.outgoing.frames(self.framing);
        self.dialect.unsubscribe(id, &pending.channel, &mut frames);
        (pending.subscribed, pending.intended) = (true, now);
        self.churning.pending.insert(index, pending);
        self.flush(index);
    }
}
