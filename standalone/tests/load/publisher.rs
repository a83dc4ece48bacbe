//! The one publisher of a channel: it sends on schedule, whether or not what it sent before is answered, and never again.
//!
//! What is answered with success is acknowledged. All else, refused or lost with its connection, is of unknown fate.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use tidegate_loadtest::dialect::{Event, Name, Opening, PUBLISH};
use tidegate_loadtest::stamp::Stamp;
use tidegate_testkit::deadline::until_some;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::connection::Connection;
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
    /// Connections tried; they go to the gateways in turn.
    attempts: usize,
    /// The numbers of those that await an answer on the connection.
    awaited: BTreeSet<u32>,
}

impl Publisher {
    /// One that turns to the gateway of its channel's number first.
    pub(crate) fn new(room: Room) -> Self {
        Self {
            published: 0,
            acknowledged: BTreeSet::new(),
            attempts: room.number as usize,
            awaited: BTreeSet::new(),
            room,
        }
    }

    /// Publishes at an even pace until it is told to stop, and awaits the last answers.
    pub(crate) async fn publish(&mut self, pace: Duration, mut stop: watch::Receiver<bool>) {
        let mut pace = interval(pace);
        // What a reconnect holds up is published after it.
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut connection = self.connect().await.unwrap();
        loop {
            let is_over = *stop.borrow();
            if is_over && self.awaited.is_empty() {
                return;
            }
            let done = tokio::select! {
                received = self.receive(&mut connection) => received,
                _ = pace.tick(), if !is_over => self.send(&mut connection).await,
                _ = stop.changed(), if !is_over => Ok(()),
            };
            if done.is_err() {
                connection = self.connect().await.unwrap();
            }
        }
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
        while self.awaited.contains(&number) {
            self.receive(&mut connection).await?;
        }
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
            let url = self.room.gateway(self.attempts);
            let opened = Connection::open(url, Name::CentrifugeJson, &opening).await;
            self.attempts += usize::from(opened.is_err());
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
