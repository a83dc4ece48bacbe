//! A client that wants every publication of one channel: it reads, and when its connection ends it goes to the other gateway
//! with its position. What it saw stands in its record.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tidegate_loadtest::dialect::{
    Dialect, Event, Name, Opening, Position, Recovery, SUBSCRIBE, Subscription,
};
use tidegate_loadtest::stamp::Stamp;
use tidegate_testkit::deadline::until_some;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::order::Order;
use super::room::Room;

/// How long the answer to a subscribe is awaited; so do the SDKs.
const ANSWER: Duration = Duration::from_secs(5);

/// What a subscriber saw.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The numbers of the publications, as they came.
    pub(crate) seen: Vec<u32>,
    /// Times that it was given what it had missed.
    pub(crate) recoveries: u64,
    /// Times that it was told that it was not.
    pub(crate) unrecovered: u64,
    /// The longest time between two publications.
    pub(crate) longest_silence: Duration,
    last: Option<Instant>,
}

impl Record {
    pub(crate) fn has(&self, number: u32) -> bool {
        self.seen.iter().rev().any(|it| *it == number)
    }

    fn add(&mut self, number: u32) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.longest_silence = self.longest_silence.max(now - last);
        }
        self.seen.push(number);
    }
}

/// How it stands with a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    Live,
    /// It was refused, or taken away.
    Over,
}

/// A client and its one subscription.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) record: Rc<RefCell<Record>>,
    room: Room,
    format: Name,
    /// The gateway that it turned to first.
    home: usize,
    /// Which gateway it is at or turns to next: they take turns.
    turn: usize,
    position: Option<Position>,
    stage: Stage,
}

impl Subscriber {
    /// One that knows of nothing, and turns to the gateway of this number first.
    pub(crate) fn new(room: Room, format: Name, gateway: usize) -> Self {
        Self {
            record: Rc::default(),
            room,
            format,
            home: gateway,
            turn: gateway,
            position: None,
            stage: Stage::Over,
        }
    }

    /// One that wants everything behind a position.
    pub(crate) fn since(self, position: Option<Position>) -> Self {
        Self { position, ..self }
    }

    /// Where it stands.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position.clone()
    }

    /// Connects and subscribes, at whichever gateway takes it.
    pub(crate) async fn join(&mut self) -> Result<Connection> {
        let what = format!("a gateway takes a subscriber of {}", self.room.name);
        until_some(&what, async || {
            let joined = timeout(ANSWER, self.attempt()).await;
            let joined = joined.map_err(anyhow::Error::from).flatten();
            self.turn += usize::from(joined.is_err());
            joined.ok()
        })
        .await
    }

    /// Reads for ever, with whatever connections that takes.
    pub(crate) async fn stay(
        mut self,
        mut connection: Connection,
        mut orders: watch::Receiver<Order>,
    ) {
        loop {
            let is_over = tokio::select! {
                () = self.listen(&mut connection) => true,
                Ok(()) = orders.changed() => match *orders.borrow_and_update() {
                    Order::GoHome => self.room.gateway(self.turn) != self.room.gateway(self.home),
                    Order::Stop => false,
                },
            };
            if is_over {
                self.turn += 1;
                connection = self.join().await.unwrap();
            }
        }
    }

    /// Reads until its connection or subscription ends.
    pub(crate) async fn listen(&mut self, connection: &mut Connection) {
        while self.stage == Stage::Live && self.receive(connection).await.is_ok() {}
    }

    async fn attempt(&mut self) -> Result<Connection> {
        let recovery = match self.position.clone() {
            Some(position) => Recovery::From(position),
            None => Recovery::Follow,
        };
        let subscription = Subscription {
            id: SUBSCRIBE,
            channel: self.room.name.clone(),
            recovery,
        };
        let opening = Opening {
            token: None,
            subscriptions: vec![subscription],
        };
        let url = self.room.gateway(self.turn);
        self.stage = Stage::Asked;
        let mut connection = Connection::open(&url, self.format, &opening).await?;
        while self.stage == Stage::Asked {
            self.receive(&mut connection).await?;
        }
        anyhow::ensure!(self.stage == Stage::Live, "the subscription is refused");
        Ok(connection)
    }

    async fn receive(&mut self, connection: &mut Connection) -> Result<()> {
        connection
            .receive(|dialect, event| self.take(dialect, event))
            .await
    }

    fn take(&mut self, dialect: &dyn Dialect, event: Event<'_>) {
        match event {
            Event::Message(message) => self.message(dialect, message),
            Event::Subscribed {
                position,
                recovered,
                ..
            } => {
                let mut record = self.record.borrow_mut();
                match self.position.replace(position) {
                    Some(_) if recovered => record.recoveries += 1,
                    Some(_) => record.unrecovered += 1,
                    None => {}
                }
                self.stage = Stage::Live;
            }
            Event::Refused(..) => self.stage = Stage::Over,
            Event::Done(_) | Event::Invited => {}
        }
    }

    fn message(&mut self, dialect: &dyn Dialect, message: &[u8]) {
        let mut rest = message;
        let mut is_publication = false;
        while let Some((stamp, end)) = Stamp::find(rest) {
            assert_eq!(stamp.channel, self.room.number, "of another channel");
            self.record.borrow_mut().add(stamp.sequence);
            rest = &rest[end..];
            is_publication = true;
        }
        if !is_publication {
            // No other push comes to a client that asks for nothing else.
            self.stage = Stage::Over;
        } else if self.stage == Stage::Live
            && let Some((position, offset)) = self.position.as_mut().zip(dialect.offset(message))
        {
            assert!(offset > position.offset, "the offset does not grow");
            position.offset = offset;
        }
    }
}
