//! Reports of nodes, taken into the book.

use std::collections::HashSet;

use super::book::{Done, Run};
use super::stream::Step;
use super::{Effect, Moment, NodeState, Roster};
use crate::message::{Body, Change, Fault, Kind, Report};

/// How far a node's clock may be off, in milliseconds.
const MAX_SKEW: u64 = 60_000;

/// Of which stream changes are, and when they were made.
#[derive(Clone, Copy)]
struct Origin {
    run: Run,
    kind: Kind,
    partition: u32,
    at: Moment,
    /// By the node's clock, as far as it is believed.
    time: u64,
    /// Whether what changes is news, rather than what was so before.
    is_news: bool,
}

impl Roster {
    /// Takes a report.
    pub fn report(&mut self, report: Report, at: Moment, effects: &mut Vec<Effect>) {
        let (kind, partition) = (report.kind, report.partition);
        if self.held.get(partition as usize) != Some(&true) {
            return;
        }
        let Some(node) = self.nodes.get_mut(&report.from.node) else {
            self.faults.count(Fault::UnknownNode);
            return;
        };
        if report.from.number < node.incarnation {
            self.faults.count(Fault::StaleIncarnation);
            return;
        }
        // The first beat of a run may be overtaken, and nothing of an end is believed any more.
        if report.from.number > node.incarnation || node.state != NodeState::Alive {
            self.faults.count(Fault::UnknownNode);
            return;
        }
        let (run, is_news) = (node.run, node.is_news);
        let stream = node.stream(kind, partition as usize);
        let step = match report.body {
            Body::Changes { first, changes } => stream.changes(first, changes, at.now),
            Body::Chunk(chunk) => stream.chunk(chunk, at.now),
        };
        let mut origin = Origin {
            run,
            kind,
            partition,
            at,
            time: self.believed(report.sent_at, at),
            is_news: true,
        };
        match step {
            Step::Nothing => {}
            Step::Apply(changes) => {
                self.activity.changes += changes.len() as u64;
                for change in changes {
                    self.apply(change, origin, effects);
                }
            }
            Step::Replace { entries, is_first } => {
                self.activity.snapshots += 1;
                origin.is_news = !is_first || is_news;
                self.replace(entries, origin, effects);
            }
        }
    }

    /// What a node's clock says, unless it is far off.
    fn believed(&mut self, time: u64, at: Moment) -> u64 {
        let earliest = at.wall.saturating_sub(MAX_SKEW);
        if !(earliest..=at.wall.saturating_add(MAX_SKEW)).contains(&time) {
            self.faults.count(Fault::ClockOff);
        }
        time.clamp(earliest, at.wall)
    }

    fn apply(&mut self, change: Change, origin: Origin, effects: &mut Vec<Effect>) {
        let done = match change {
            Change::Join(mut membership) => {
                membership.since = membership.since.min(origin.at.wall);
                let done = self.book.join(origin.run, &membership);
                let is_other = matches!(done, Done::Changed | Done::Updated);
                if is_other && self.watched.contains(&membership.channel) {
                    effects.push(Effect::Joined(membership));
                }
                done
            }
            Change::Leave { channel, client } => {
                let done = self.book.leave(origin.run, &channel, client);
                if done == Done::Changed && self.watched.contains(&channel) {
                    effects.push(Effect::Left { channel, client });
                }
                done
            }
            Change::Connect(mut connection) => {
                connection.since = connection.since.min(origin.at.wall);
                let done = self.book.connect(origin.run, &connection);
                if done == Done::Changed && origin.is_news {
                    self.tell_online(connection.user, true, origin, effects);
                }
                done
            }
            Change::Disconnect { client } => {
                match self.book.session_of(origin.run, client) {
                    // Another stream's, whose order with this one nobody knows.
                    Some(at) if self.book.partition_of_user(at) != origin.partition => {
                        self.faults.count(Fault::WrongPartition);
                    }
                    Some(at) => {
                        self.end_session(at, origin.partition, origin.at, origin.time, effects);
                    }
                    None => {}
                }
                Done::Same
            }
        };
        match done {
            Done::OtherUser => self.faults.count(Fault::OtherUser),
            Done::Full => self.faults.count(Fault::Full),
            Done::Changed | Done::Updated | Done::Same => {}
        }
    }

    /// Makes a stream what a snapshot says.
    fn replace(&mut self, entries: Vec<Change>, origin: Origin, effects: &mut Vec<Effect>) {
        let mut there = HashSet::with_capacity(entries.len());
        for entry in entries {
            let place = match &entry {
                Change::Join(it) => Some((it.channel.clone(), it.client)),
                _ => None,
            };
            let client = match &entry {
                Change::Connect(it) => Some(it.client),
                _ => None,
            };
            self.apply(entry, origin, effects);
            let member = place.and_then(|it| self.book.member_of(origin.run, &it.0, it.1));
            let session = client.and_then(|it| self.book.session_of(origin.run, it));
            there.extend(member.or(session));
        }
        self.remove_others(&there, origin, effects);
    }

    fn remove_others(&mut self, there: &HashSet<u32>, origin: Origin, effects: &mut Vec<Effect>) {
        match origin.kind {
            Kind::Channel => {
                for at in self.book.members_of_run(origin.run, origin.partition) {
                    if !there.contains(&at) {
                        self.end_membership(at, effects);
                    }
                }
            }
            Kind::User => {
                for at in self.book.sessions_of_run(origin.run, origin.partition) {
                    if !there.contains(&at) {
                        self.end_session(at, origin.partition, origin.at, origin.time, effects);
                    }
                }
            }
        }
    }

    /// Takes somebody out of a channel.
    pub(super) fn end_membership(&mut self, at: u32, effects: &mut Vec<Effect>) {
        if !self.watched.is_empty() {
            let it = self.book.membership(at);
            if self.watched.contains(&it.channel) {
                effects.push(Effect::Left {
                    channel: it.channel,
                    client: it.client,
                });
            }
        }
        self.book.remove_member(at);
    }

    /// Ends a connection of a user, which was there until `time`.
    pub(super) fn end_session(
        &mut self,
        connection: u32,
        partition: u32,
        at: Moment,
        time: u64,
        effects: &mut Vec<Effect>,
    ) {
        let user = self.book.user_of(connection).to_owned();
        if self.book.disconnect(connection) != Done::Changed {
            return;
        }
        self.last_seen.note(&user, time, at.now);
        if self.speaks_for(partition) {
            effects.push(Effect::Online {
                user,
                is_online: false,
                at: time,
            });
        }
    }

    fn tell_online(
        &self,
        user: String,
        is_online: bool,
        origin: Origin,
        effects: &mut Vec<Effect>,
    ) {
        if self.speaks_for(origin.partition) {
            effects.push(Effect::Online {
                user,
                is_online,
                at: origin.time,
            });
        }
    }
}
