//! A connection's life: begun, accepted, live, lost; and what is sent on it.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::Worker;
use super::client::Stage;
use super::connecting::Attempt;
use super::events::Happened;
use super::socket;
use crate::clock::{self, SECOND};
use crate::dialect::{ALL, CHURN, Opening, PUBLISH, Recovery, SUBSCRIBE, Subscription};
use crate::latency::Metric;
use crate::order::{Notice, Role};
use crate::wire::Framing;

/// When a client comes back that was told no time.
const PAUSE: u64 = SECOND / 5;

/// Connections begun between two looks at what has come.
const BATCH: usize = 16;

impl Worker {
    pub(super) fn connect_all(&mut self) {
        for client in &mut self.clients {
            (client.stage, client.tried) = (Stage::Away, false);
        }
        let pace = self.assignment.pace;
        let (rate, concurrency) = (pace.per_second, pace.concurrency);
        self.connecting
            .start(self.clients.len(), rate, concurrency, clock::now());
    }

    pub(super) fn connect_due(&mut self, now: u64) -> Result<()> {
        while let Some(attempt) = self.connecting.expired(now) {
            let index = attempt.client as usize;
            let client = &self.clients[index];
            if client.attempts == attempt.number && is_under_way(client.stage) {
                self.lost(index, "no answer in time");
            }
        }
        for _ in 0..BATCH {
            let Some(client) = self.connecting.next(now) else {
                break;
            };
            self.begin(client as usize);
        }
        if self.connecting.all_tried() {
            self.line.tell(&Notice::Connected)?;
        }
        Ok(())
    }

    fn begin(&mut self, index: usize) {
        let now = clock::now();
        let client = &mut self.clients[index];
        client.attempts = client.attempts.wrapping_add(1);
        client.began = now;
        client.stage = Stage::Connecting;
        let attempt = Attempt {
            client: index as u32,
            number: client.attempts,
        };
        self.connecting.begun(attempt, now);
        let target = &self.assignment.targets[self.target_of(index)];
        let source = self.source_of(index);
        let opened = socket::open(target.address, source).and_then(|socket| {
            // Told of changes only, a socket never needs to be asked about again.
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(
                &self.epoll,
                &socket,
                EventData::new_u64(index as u64),
                flags,
            )?;
            Ok(socket)
        });
        match opened {
            Ok(socket) => self.clients[index].socket = Some(socket),
            Err(error) => self.lost(index, &format!("cannot connect: {error}")),
        }
    }

    /// Which of the targets a client's connection goes to: another one with each attempt.
    pub(super) fn target_of(&self, index: usize) -> usize {
        let client = &self.clients[index];
        let turn = client.number as usize + usize::from(client.attempts);
        turn % self.assignment.targets.len()
    }

    fn source_of(&self, index: usize) -> Option<Ipv4Addr> {
        let sources = u32::from(self.assignment.sources);
        let number = self.clients[index].number.checked_rem(sources)?;
        Some(Ipv4Addr::new(127, 0, 0, 1 + number as u8))
    }

    /// The connection is there, or not.
    pub(super) fn connected(&mut self, index: usize) {
        let Some(socket) = &self.clients[index].socket else {
            return;
        };
        if let Err(error) = socket::outcome(socket) {
            return self.lost(index, &format!("cannot connect: {error}"));
        }
        match self.framing {
            Framing::Stream => self.enter(index),
            Framing::WebSocket => {
                self.clients[index].stage = Stage::Upgrading;
                let handshake = &self.handshakes[self.target_of(index)];
                self.outgoing.bytes.extend_from_slice(handshake.request());
                self.flush(index);
            }
        }
    }

    /// The server listens: says what the client wants.
    pub(super) fn enter(&mut self, index: usize) {
        let opening = self.opening(index);
        let client = &mut self.clients[index];
        client.stage = Stage::Entering;
        client.outstanding = opening.subscriptions.len() as u16 + 1;
        let mut frames = self.outgoing.frames(self.framing);
        self.dialect.open(&opening, &mut frames);
        self.flush(index);
    }

    fn opening(&self, index: usize) -> Opening {
        let (client, roster) = (&self.clients[index], &self.assignment.roster);
        let subscriptions = (0..roster.subscriptions(client.number)).filter_map(|index| {
            let position = self.positions.get(client.first_track + index);
            let channel = roster.channel(client.number, index)?;
            Some(Subscription {
                id: SUBSCRIBE + index,
                channel: roster.name(channel)?,
                recovery: match position {
                    None => Recovery::Off,
                    Some(_) if client.lost == 0 => Recovery::Follow,
                    Some(position) => Recovery::From(position),
                },
            })
        });
        let user = match self.assignment.role {
            Role::Subscribers { .. } => format!("user-{}", client.number),
            Role::Publishers { .. } => format!("publisher-{}", client.number),
        };
        Opening {
            token: self.assignment.credentials.token(&user),
            subscriptions: subscriptions.collect(),
        }
    }

    /// Does what the events of one client ask for.
    pub(super) fn settle(&mut self, index: usize) {
        let mut happened = std::mem::take(&mut self.happened);
        for event in happened.drain(..) {
            self.settle_one(index, event);
        }
        self.happened = happened;
    }

    fn settle_one(&mut self, index: usize, event: Happened) {
        match event {
            Happened::Invited => {
                let opening = self.opening(index);
                let mut frames = self.outgoing.frames(self.framing);
                self.dialect.enter(&opening, &mut frames);
                self.flush(index);
            }
            Happened::Done(ALL) if self.clients[index].stage == Stage::Entering => {
                self.clients[index].outstanding = 1;
                self.entered(index);
            }
            Happened::Done(PUBLISH..) | Happened::Refused { id: PUBLISH.., .. } => {
                self.published(event);
            }
            Happened::Done(ALL | CHURN..)
            | Happened::Subscribed { id: CHURN.., .. }
            | Happened::Refused { id: CHURN.., .. } => self.churned(index, event),
            Happened::Done(_) => self.entered(index),
            Happened::Subscribed {
                id,
                position,
                recovered,
            } => {
                let client = &mut self.clients[index];
                self.positions
                    .set(client.first_track + (id - SUBSCRIBE), position);
                if client.lost > 0 && !recovered {
                    self.tally.counters.unrecovered += 1;
                    // What it lost does not come any more.
                    client.lost = 0;
                }
                self.entered(index);
            }
            Happened::Refused { reason, .. } => self.lost(index, &reason),
        }
    }

    /// One of the first replies has come.
    fn entered(&mut self, index: usize) {
        let now = clock::now();
        let client = &mut self.clients[index];
        if client.stage != Stage::Entering {
            return;
        }
        client.outstanding = client.outstanding.saturating_sub(1);
        if client.outstanding > 0 {
            return;
        }
        client.stage = Stage::Live;
        self.tally.counters.live += 1;
        self.tally.counters.connects += 1;
        self.tally.record(Metric::Connect, now - client.began);
        if client.lost > 0 && self.dialect.recovers() {
            self.tally.recovered(client, now);
        }
        client.lost = 0;
        self.connecting.ended();
        self.tried(index);
    }

    fn tried(&mut self, index: usize) {
        if !std::mem::replace(&mut self.clients[index].tried, true) {
            self.connecting.tried();
        }
    }

    /// The server has no room.
    pub(super) fn busy(&mut self, index: usize, after: Option<Duration>) {
        self.tally.counters.busy += 1;
        if !self.assignment.pace.honour_retry_after {
            return self.lost(index, "HTTP 503");
        }
        self.part(index);
        let pause = after.map_or(PAUSE, |after| after.as_nanos() as u64);
        self.connecting.come_back(index, clock::now() + pause);
    }

    /// The connection has failed or was closed by the server.
    pub(super) fn lost(&mut self, index: usize, reason: &str) {
        self.tally.fault(reason);
        let tried = self.clients[index].tried;
        self.part(index);
        if tried && self.assignment.blink.is_some() {
            let now = clock::now();
            let client = &mut self.clients[index];
            if client.lost == 0 {
                client.lost = now;
            }
            return self.connecting.come_back(index, now + PAUSE);
        }
        self.clients[index].stage = Stage::Gone;
        self.tried(index);
    }

    /// Resets a connection, on purpose.
    pub(super) fn part(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if let Some(socket) = client.socket.take() {
            socket::reset(socket);
        }
        client.backlog = None;
        let stage = std::mem::replace(&mut client.stage, Stage::Away);
        if stage == Stage::Live {
            self.tally.counters.live -= 1;
        } else if is_under_way(stage) {
            self.connecting.ended();
        }
    }

    /// Clients that are slow read nothing from now on.
    pub(super) fn stop_reading(&mut self) {
        for client in self.clients.iter().filter(|client| client.slow) {
            if let Some(socket) = &client.socket {
                // One that is gone has nothing to read.
                let _deleted = epoll::delete(&self.epoll, socket);
            }
        }
    }
}

fn is_under_way(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::Connecting | Stage::Upgrading | Stage::Entering
    )
}
