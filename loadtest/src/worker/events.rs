//! What a server's messages mean for its client: sequences, positions and replies.

use std::collections::HashMap;

use super::client::Client;
use super::tally::Tally;
use crate::dialect::{Dialect, Event, Position};
use crate::latency::Metric;
use crate::order::Assignment;
use crate::roster::Roster;
use crate::sequence::{Arrival, Sequences};
use crate::stamp::Stamp;

/// What is to be done about a message, after it has been read.
#[derive(Debug)]
pub(super) enum Happened {
    Invited,
    Done(u32),
    Subscribed {
        id: u32,
        position: Position,
        recovered: bool,
    },
    Refused {
        id: u32,
        reason: String,
    },
}

/// Where each track stands in its channel's history, if that is of interest.
#[derive(Debug)]
pub(super) struct Positions {
    /// Number of the epoch, and offset; empty when nobody recovers.
    tracks: Vec<(u32, u64)>,
    epochs: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Positions {
    pub(super) fn new(assignment: &Assignment, tracks: usize) -> Self {
        let tracks = assignment.blink.map_or(0, |_| tracks);
        Self {
            tracks: vec![(0, 0); tracks],
            epochs: vec![String::new()],
            numbers: HashMap::from([(String::new(), 0)]),
        }
    }

    pub(super) fn get(&self, track: u32) -> Option<Position> {
        let (epoch, offset) = *self.tracks.get(track as usize)?;
        let epoch = self.epochs[epoch as usize].clone();
        Some(Position { epoch, offset })
    }

    pub(super) fn set(&mut self, track: u32, position: Position) {
        let Some(place) = self.tracks.get_mut(track as usize) else {
            return;
        };
        let next = self.epochs.len() as u32;
        let number = *self
            .numbers
            .entry(position.epoch)
            .or_insert_with_key(|epoch| {
                self.epochs.push(epoch.clone());
                next
            });
        *place = (number, position.offset);
    }

    /// Moves on by a message.
    fn advance(&mut self, track: u32, offset: impl FnOnce() -> Option<u64>) {
        if let Some((_, place)) = self.tracks.get_mut(track as usize)
            && let Some(offset) = offset()
        {
            *place = offset;
        }
    }
}

/// Takes the events of one client's messages.
#[derive(Debug)]
pub(super) struct Intake<'a> {
    pub(super) client: &'a Client,
    pub(super) roster: &'a Roster,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) sequences: &'a mut Sequences,
    pub(super) positions: &'a mut Positions,
    pub(super) tally: &'a mut Tally,
    pub(super) happened: &'a mut Vec<Happened>,
    /// Latencies of messages that were meant to be sent before it do not count.
    pub(super) measure: u64,
    pub(super) now: u64,
}

impl Intake<'_> {
    pub(super) fn take(&mut self, event: Event<'_>) {
        self.happened.push(match event {
            Event::Message(message) => return self.message(message),
            Event::Invited => Happened::Invited,
            Event::Done(id) => Happened::Done(id),
            Event::Subscribed {
                id,
                position,
                recovered,
            } => Happened::Subscribed {
                id,
                position,
                recovered,
            },
            Event::Refused(id, reason) => Happened::Refused { id, reason },
        });
    }

    fn message(&mut self, message: &[u8]) {
        let mut rest = message;
        while let Some((stamp, end)) = Stamp::find(rest) {
            self.delivery(stamp, message);
            rest = &rest[end..];
        }
    }

    fn delivery(&mut self, stamp: Stamp, message: &[u8]) {
        if self.client.slow {
            return;
        }
        let Some(index) = self.roster.subscription(self.client.number, stamp.channel) else {
            self.tally.counters.passing += 1;
            return;
        };
        let track = self.client.first_track + index;
        match self.sequences.take(track, stamp.sequence) {
            Arrival::New => self.tally.counters.deliveries += 1,
            Arrival::Late => {
                self.tally.counters.deliveries += 1;
                self.tally.counters.late += 1;
            }
            Arrival::Duplicate => {
                self.tally.counters.duplicates += 1;
                return;
            }
        }
        self.positions
            .advance(track, || self.dialect.offset(message));
        if stamp.intended >= self.measure {
            let latency = self.now.saturating_sub(stamp.intended);
            self.tally.deliveries.record(latency);
        }
    }
}

impl Tally {
    /// Counts what a recovery took, from the reconnect and from the loss.
    pub(super) fn recovered(&mut self, client: &Client, now: u64) {
        self.record(Metric::Replay, now.saturating_sub(client.began));
        self.record(Metric::Recovery, now.saturating_sub(client.lost));
    }
}
