//! The streams of all partitions, and which of them have something to tell.
//!
//! Connections change them, on every worker; the reporter takes what is due. Each has a lock of its own that is held for the
//! change of one entry, and for a copy of the entries when a snapshot is asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_backbone::Channel;
use tidegate_proto::node::{partition, report};
use tokio::sync::Notify;

use super::entry::{Card, ClientId, Member, Online, Place};
use super::report::{StreamId, reports};
use super::stream::{Lapse, Stream};

/// All streams of a node.
pub(super) struct Streams {
    partitions: u32,
    channels: Box<[Mutex<Stream<Place, Member>>]>,
    users: Box<[Mutex<Stream<ClientId, Online>>]>,
    /// Those that have something to tell.
    changed: Mutex<BTreeSet<StreamId>>,
    /// Told of the first of them.
    news: Notify,
}

impl Streams {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            partitions,
            channels: (0..partitions).map(|_| Mutex::default()).collect(),
            users: (0..partitions).map(|_| Mutex::default()).collect(),
            changed: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// The stream of a channel.
    pub(super) fn of_channel(&self, channel: &str) -> StreamId {
        StreamId {
            is_of_users: false,
            partition: partition(channel, self.partitions),
        }
    }

    fn of_user(&self, user: &str) -> StreamId {
        StreamId {
            is_of_users: true,
            partition: partition(user, self.partitions),
        }
    }

    pub(super) fn join(&self, channel: &Channel, member: Member) {
        let id = self.of_channel(channel.as_str());
        let place = (channel.clone(), member.card.client);
        let is_first = hold(&self.channels[id.partition as usize]).set(place, member);
        self.note(id, is_first);
    }

    /// Gives who left, if they were there.
    pub(super) fn leave(&self, channel: &Channel, client: ClientId) -> Option<Member> {
        let id = self.of_channel(channel.as_str());
        let place = (channel.clone(), client);
        let removed = hold(&self.channels[id.partition as usize]).remove(&place);
        let (member, is_first) = removed?;
        self.note(id, is_first);
        Some(member)
    }

    pub(super) fn connect(&self, online: Online) {
        let id = self.of_user(&online.card.user);
        let client = online.card.client;
        let is_first = hold(&self.users[id.partition as usize]).set(client, online);
        self.note(id, is_first);
    }

    pub(super) fn disconnect(&self, card: &Arc<Card>) {
        let id = self.of_user(&card.user);
        let removed = hold(&self.users[id.partition as usize]).remove(&card.client);
        if let Some((_, is_first)) = removed {
            self.note(id, is_first);
        }
    }

    fn note(&self, id: StreamId, is_first: bool) {
        if !is_first {
            return;
        }
        let mut changed = hold(&self.changed);
        if changed.is_empty() {
            self.news.notify_one();
        }
        changed.insert(id);
    }

    /// Waits until there is something to tell.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Takes the streams that have something to tell.
    pub(super) fn take_changed(&self) -> BTreeSet<StreamId> {
        std::mem::take(&mut *hold(&self.changed))
    }

    /// Takes the reports that are due of one stream.
    pub(super) fn take(&self, id: StreamId) -> Vec<report::Body> {
        let index = id.partition as usize;
        let bodies = match id.is_of_users {
            false => {
                let due = hold(&self.channels[index]).take();
                due.map(reports)
            }
            true => {
                let due = hold(&self.users[index]).take();
                due.map(reports)
            }
        };
        bodies.unwrap_or_default()
    }

    /// Takes the reports that are due of one stream, with a snapshot behind them.
    pub(super) fn take_with_snapshot(&self, id: StreamId) -> Vec<report::Body> {
        let index = id.partition as usize;
        match id.is_of_users {
            false => {
                let (due, everything) = {
                    let mut stream = hold(&self.channels[index]);
                    (stream.take(), stream.everything())
                };
                due.map(reports)
                    .into_iter()
                    .flatten()
                    .chain(reports(everything))
                    .collect()
            }
            true => {
                let (due, everything) = {
                    let mut stream = hold(&self.users[index]);
                    (stream.take(), stream.everything())
                };
                due.map(reports)
                    .into_iter()
                    .flatten()
                    .chain(reports(everything))
                    .collect()
            }
        }
    }

    /// Names who was in the channels of a partition at a lapse and still is. Behind the lock, so that what is told of them later
    /// comes later.
    pub(super) fn name_returned(
        &self,
        lapse: Lapse,
        beat: u64,
        mut name: impl FnMut(&Channel, &Member),
    ) {
        let mut stream = hold(&self.channels[lapse.partition as usize]);
        for ((channel, _), member) in stream.returned(lapse, beat) {
            name(channel, member);
        }
    }

    /// The number of the last change of each stream of channels, and of users.
    pub(super) fn numbers(&self) -> (Vec<u64>, Vec<u64>) {
        let channels = self.channels.iter().map(|it| hold(it).number());
        let users = self.users.iter().map(|it| hold(it).number());
        (channels.collect(), users.collect())
    }
}

/// A panic while it was held leaves a stream that misses one entry.
fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
