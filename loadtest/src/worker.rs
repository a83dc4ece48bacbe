//! A process full of clients: one thread, one epoll, one buffer to read into. It does what the conductor orders and tells
//! what comes of it.
//!
//! A client costs its socket and a few dozen bytes; what is cut off at the end of a read or does not fit a socket is kept
//! only until it is whole or sent.

mod acknowledgement;
mod blinking;
mod churning;
mod client;
mod connecting;
mod events;
mod inputs;
mod line;
mod publishing;
mod receiving;
mod sending;
mod settling;
mod socket;
mod tally;

pub(crate) use client::is_slow;

use std::io;

use anyhow::{Context, Result};
use rustix::event::epoll;
use rustix::io::Errno;

use crate::clock::{self, SECOND, timespec};
use crate::dialect::Dialect;
use crate::handshake::Handshake;
use crate::order::{Assignment, Notice, Order, Role};
use crate::sequence::Sequences;
use crate::wire::{Framing, Outgoing};
use blinking::Blinking;
use churning::Churning;
use client::Client;
use connecting::Connecting;
use events::Happened;
use line::Line;
use publishing::Publishing;
use tally::Tally;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1_024;

/// The event of the conductor's orders; clients have their indices.
const ORDERS: u64 = u64::MAX;

/// Traffic in progress.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    measure: u64,
}

/// All clients of this process and what they are doing.
#[derive(Debug)]
pub(crate) struct Worker {
    assignment: Assignment,
    dialect: Box<dyn Dialect>,
    framing: Framing,
    handshakes: Vec<Handshake>,
    epoll: rustix::fd::OwnedFd,
    line: Line,
    clients: Vec<Client>,
    sequences: Sequences,
    positions: events::Positions,
    tally: Tally,
    connecting: Connecting,
    publishing: Publishing,
    churning: Churning,
    blinking: Blinking,
    traffic: Traffic,
    /// Deliveries to tell of.
    awaited: Option<u64>,
    buffer: Vec<u8>,
    outgoing: Outgoing,
    happened: Vec<Happened>,
    /// The next second of the clock to tell of.
    second: u64,
    finished: bool,
}

/// Runs a worker on standard input and output until it is told to finish.
///
/// # Errors
/// When the conductor is gone or the system refuses something essential.
pub fn run() -> Result<()> {
    let mut line = Line::new();
    let assignment = line.assignment()?;
    let mut worker = Worker::new(assignment, line)?;
    let outcome = worker.serve();
    if let Err(error) = &outcome {
        worker.line.tell(&Notice::Failed(format!("{error:#}")))?;
    }
    outcome
}

impl Worker {
    fn new(assignment: Assignment, line: Line) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(ORDERS);
        epoll::add(&epoll, io::stdin(), data, epoll::EventFlags::IN)
            .context("standard input cannot be awaited: it must be a pipe")?;
        let dialect = assignment.dialect.dialect();
        let (clients, tracks) = client::all(&assignment);
        let handshakes = assignment.targets.iter().map(|target| {
            let resource = target.resource(dialect.path());
            Handshake::new(&target.host, &resource, dialect.subprotocol())
        });
        let framing = match assignment.bare {
            true => Framing::Stream,
            false => Framing::WebSocket,
        };
        Ok(Self {
            handshakes: handshakes.collect(),
            framing,
            epoll,
            line,
            sequences: Sequences::new(tracks),
            positions: events::Positions::new(&assignment, tracks),
            tally: Tally::default(),
            connecting: Connecting::default(),
            publishing: Publishing::new(&assignment),
            churning: Churning::default(),
            blinking: Blinking::default(),
            traffic: Traffic { measure: 0 },
            awaited: None,
            buffer: vec![0; receiving::BUFFER],
            outgoing: Outgoing::default(),
            happened: Vec::new(),
            second: clock::now() / SECOND + 1,
            finished: false,
            clients,
            dialect,
            assignment,
        })
    }

    fn serve(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        // What came along with the assignment.
        self.obey()?;
        while !self.finished {
            let now = clock::now();
            let wait = self.next_moment().saturating_sub(now);
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&timespec(wait)),
            ) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll fails"),
            }
            for event in &events {
                match event.data.u64() {
                    ORDERS => {
                        self.line.listen()?;
                        self.obey()?;
                    }
                    index => self.ready(index as usize, event.flags)?,
                }
            }
            self.act(clock::now())?;
        }
        Ok(())
    }

    /// When something is to be done even if nothing comes.
    fn next_moment(&self) -> u64 {
        let moments = [
            Some(self.second * SECOND),
            self.connecting.next_moment(),
            self.publishing.next_moment(),
            self.churning.next_moment(),
            self.blinking.next_moment(),
        ];
        moments.into_iter().flatten().min().unwrap_or_default()
    }

    /// Does what is due.
    fn act(&mut self, now: u64) -> Result<()> {
        self.publish_due(now)?;
        self.send_inputs(now);
        self.churn_due(now);
        self.blink_due(now);
        self.connect_due(now)?;
        self.tell_reached(now)?;
        if now >= self.second * SECOND {
            self.tell_second(now)?;
        }
        Ok(())
    }

    fn tell_second(&mut self, now: u64) -> Result<()> {
        let notice = Notice::Tick {
            second: self.second,
            counters: self.tally.counters.clone(),
            latencies: self.tally.drain(),
        };
        self.second = now / SECOND + 1;
        self.line.tell(&notice)
    }

    fn tell_reached(&mut self, now: u64) -> Result<()> {
        let reached = self
            .awaited
            .is_some_and(|awaited| self.tally.counters.deliveries >= awaited);
        if reached {
            self.awaited = None;
            self.line.tell(&Notice::Reached { at: now })?;
        }
        Ok(())
    }

    fn obey(&mut self) -> Result<()> {
        for order in self.line.orders()? {
            match order {
                Order::Connect => self.connect_all(),
                Order::Start {
                    start,
                    measure,
                    end,
                } => {
                    self.traffic = Traffic { measure };
                    self.stop_reading();
                    self.start_traffic(start, end);
                }
                Order::Burst => self.burst()?,
                Order::Await(deliveries) => self.awaited = Some(deliveries),
                Order::Count => {
                    let counters = self.tally.counters.clone();
                    self.line.tell(&Notice::Counted(counters))?;
                }
                Order::Drop => self.drop_all()?,
                Order::Finish { published } => self.finish(&published)?,
            }
        }
        Ok(())
    }

    fn start_traffic(&mut self, start: u64, end: u64) {
        match self.assignment.role {
            Role::Publishers { .. } => {
                let groups = self.assignment.roster.groups().to_vec();
                self.publishing.start(&groups, start, end);
            }
            Role::Subscribers { .. } => {
                let clients = self.clients.len() as f64;
                let inputs = self.assignment.inputs * clients;
                self.publishing.start_inputs(inputs, start, end);
                self.churning.start(self.assignment.churn, start, end);
                self.blinking
                    .start(self.assignment.blink, self.clients.len(), start, end);
            }
        }
    }

    fn drop_all(&mut self) -> Result<()> {
        for index in 0..self.clients.len() {
            self.part(index);
        }
        self.line.tell(&Notice::Dropped)
    }

    fn finish(&mut self, published: &[u32]) -> Result<()> {
        self.finished = true;
        let missing = self.missing(published);
        let notice = Notice::Done {
            counters: self.tally.counters.clone(),
            latencies: self.tally.drain(),
            missing,
        };
        self.line.tell(&notice)
    }

    /// What the clients that read have not got of what was published.
    fn missing(&self, published: &[u32]) -> u64 {
        let mut missing = self.sequences.missing();
        for client in &self.clients {
            for index in 0..self.assignment.roster.subscriptions(client.number) {
                let track = client.first_track + index;
                if client.slow {
                    missing -= self.sequences.holes(track);
                } else if let Some(channel) = self.assignment.roster.channel(client.number, index) {
                    let published = published.get(channel as usize).copied();
                    missing += self.sequences.behind(track, published.unwrap_or_default());
                }
            }
        }
        missing
    }
}
