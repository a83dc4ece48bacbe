//! The one publisher of a channel: it sends on schedule, whether or not what it sent before is answered, and never again.
//!
//! What is answered with success is acknowledged. All else, refused or lost with its connection, is of unknown fate.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use tidegate_loadtest::dialect::{Event, Name, Opening, PUBLISH};
use tidegate_loadtest::stamp::Stamp;
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::connection::Connection;
use super::order::Order;
use super::room::Room;

/// Bytes of a payload.
const SIZE: usize = 128;

/// A publisher and what it knows of its publications.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// How many were sent. They are numbered from 1 on.
    pub(crate) published: u32,
    /// The numbers of those that were acknowledged.
    pub(crate) acknowledged: BTreeSet<u32>,
    room: Room,
    /// Which gateway it is at or turns to next: they take turns.
    turn: usize,
    /// The numbers of those that await an answer on the connection.
    awaited: BTreeSet<u32>,
}

impl Publisher {
    /// One that turns to the gateway of its channel's number first.
    pub(crate) fn new(room: Room) -> Self {
        Self {
            published: 0,
            acknowledged: BTreeSet::new(),
            turn: room.number as usize,
            awaited: BTreeSet::new(),
            room,
        }
    }

    /// Publishes at an even pace, from a time on and until it is told to stop, and awaits the last answers.
    pub(crate) async fn publish(
        &mut self,
        begin: Instant,
        pace: Duration,
        mut orders: watch::Receiver<Order>,
    ) {
        let mut pace = interval_at(begin, pace);
        // What a reconnect holds up is published after it.
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut connection = self.connect().await.unwrap();
        loop {
            let done = tokio::select! {
                received = self.receive(&mut connection) => received,
                _ = pace.tick() => self.send(&mut connection).await,
                Ok(()) = orders.changed() => match *orders.borrow_and_update() {
                    Order::GoHome => self.go_home(&mut connection).await,
                    Order::Stop => {
                        // What is lost with the connection stays without an answer.
                        let _answered = self.answers(&mut connection).await;
                        return;
                    }
                },
            };
            if done.is_err() {
                connection = self.connect().await.unwrap();
            }
        }
    }

    /// Goes to the gateway of its channel's number, if it is not there, once everything is answered.
    async fn go_home(&mut self, connection: &mut Connection) -> Result<()> {
        let home = self.room.number as usize;
        if self.room.gateway(self.turn) != self.room.gateway(home) {
            self.answers(connection).await?;
            self.turn = home;
            *connection = self.connect().await?;
        }
        Ok(())
    }

    /// Waits until everything is answered.
    async fn answers(&mut self, connection: &mut Connection) -> Result<()> {
        let answered = async {
            while !self.awaited.is_empty() {
                self.receive(connection).await?;
            }
            Ok(())
        };
        timeout(PATIENCE, answered).await?
    }

    /// Publishes one more, and others in its place until one is acknowledged; gives its number.
    pub(crate) async fn close(&mut self) -> Result<u32> {
        let what = format!("a publication to {} is acknowledged", self.room.name);
        until_some(&what, async || self.acknowledge_one().await.ok()).await
    }

    async fn acknowledge_one(&mut self) -> Result<u32> {
        let mut connection = self.connect().await?;
        self.send(&mut connection).await?;
        let number = self.published;
        self.answers(&mut connection).await?;
        ensure!(self.acknowledged.contains(&number), "refused");
        Ok(number)
    }

    async fn connect(&mut self) -> Result<Connection> {
        self.awaited.clear();
        let opening = Opening {
            token: None,
            subscriptions: Vec::new(),
        };
        let what = format!("a gateway takes the publisher of {}", self.room.name);
        until_some(&what, async || {
            let url = self.room.gateway(self.turn);
            let opened = Connection::open(&url, Name::CentrifugeJson, &opening).await;
            self.turn += usize::from(opened.is_err());
            opened.ok()
        })
        .await
    }

    async fn send(&mut self, connection: &mut Connection) -> Result<()> {
        self.published += 1;
        self.awaited.insert(self.published);
        let stamp = Stamp {
            channel: self.room.number,
            sequence: self.published,
            intended: 0,
        };
        let mut payload = Vec::new();
        stamp.write(SIZE, &mut payload);
        let (id, name) = (PUBLISH + self.published, &self.room.name);
        let publish = connection.say(|dialect, frames| dialect.publish(id, name, &payload, frames));
        publish.await
    }

    async fn receive(&mut self, connection: &mut Connection) -> Result<()> {
        connection
            .receive(|_, event| match event {
                Event::Done(id) => {
                    // Not so when it is the connect's.
                    if self.awaited.remove(&id.wrapping_sub(PUBLISH)) {
                        self.acknowledged.insert(id - PUBLISH);
                    }
                }
                Event::Refused(id, _) => {
                    self.awaited.remove(&id.wrapping_sub(PUBLISH));
                }
                Event::Message(_) | Event::Subscribed { .. } | Event::Invited => {}
            })
            .await
    }
}
