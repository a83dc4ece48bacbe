//! The subscribers of a channel, and what all of them together have to say in the end.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Result;
use futures_util::future::try_join_all;
use tidegate_loadtest::dialect::Name;
use tidegate_testkit::deadline::until;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};

use super::order::Order;
use super::publisher::Publisher;
use super::room::Room;
use super::subscriber::{Record, Subscriber};
use super::tally::Tally;
use super::verdict::{Evidence, Verdict};

/// A channel's subscribers.
pub(crate) struct Audience {
    records: Vec<Rc<RefCell<Record>>>,
    /// They read until they are stopped.
    tasks: Vec<JoinHandle<()>>,
    /// Comes late, and asks for everything.
    latecomer: Subscriber,
}

impl Audience {
    /// Subscribes a channel's clients: at one gateway after the other, and half of those at each gateway in each format.
    pub(crate) async fn gather(room: &Room, count: u32, orders: &watch::Receiver<Order>) -> Self {
        let mut audience = Self {
            records: Vec::new(),
            tasks: Vec::new(),
            latecomer: Subscriber::new(room.clone(), Name::CentrifugeProtobuf, 0),
        };
        for number in 0..count as usize {
            let format = match number / 2 % 2 {
                0 => Name::CentrifugeJson,
                _ => Name::CentrifugeProtobuf,
            };
            let mut subscriber = Subscriber::new(room.clone(), format, number);
            let connection = subscriber.join().await.unwrap();
            audience.latecomer = audience.latecomer.since(subscriber.position());
            audience.records.push(Rc::clone(&subscriber.record));
            let staying = subscriber.stay(connection, orders.clone());
            audience.tasks.push(spawn_local(staying));
        }
        audience
    }

    fn has(&self, number: u32) -> bool {
        self.records.iter().all(|it| it.borrow().has(number))
    }

    fn testify(&self, publisher: &Publisher, stored: &[u32], tally: &mut Tally) {
        let records: Vec<_> = self.records.iter().map(|it| it.borrow()).collect();
        let late = self.latecomer.record.borrow();
        let witnesses = records.iter().chain([&late]);
        tally.verdict += Verdict::of(&Evidence {
            published: publisher.published,
            acknowledged: &publisher.acknowledged,
            stored,
            seen: witnesses.map(|it| it.seen.as_slice()).collect(),
        });
        tally.unrecovered += late.unrecovered;
        for record in records {
            tally.subscribers += 1;
            tally.recoveries += record.recoveries;
            tally.unrecovered += record.unrecovered;
            tally.longest_silence = tally.longest_silence.max(record.longest_silence);
        }
    }
}

/// Lets everything arrive, and compares it with what `stored` then says that the stream holds, by channel.
pub(crate) async fn conclude(
    mut publishers: Vec<Publisher>,
    mut audiences: Vec<Audience>,
    stored: impl Future<Output = Result<Vec<Vec<u32>>>>,
) -> Tally {
    // What comes twice has come by the second time.
    for _ in 0..2 {
        let last = try_join_all(publishers.iter_mut().map(Publisher::close)).await;
        let last = last.unwrap();
        let have_all = || {
            let mut pairs = audiences.iter().zip(&last);
            pairs.all(|(audience, last)| audience.has(*last))
        };
        if let Err(error) = until("everybody has the last publication", have_all).await {
            // It will be missing.
            println!("{error}");
        }
    }
    let stored = stored.await.unwrap();
    let mut tally = Tally::default();
    for ((publisher, audience), stored) in publishers.iter().zip(&mut audiences).zip(&stored) {
        audience.latecomer.join().await.unwrap();
        audience.testify(publisher, stored, &mut tally);
    }
    for task in audiences.into_iter().flat_map(|it| it.tasks) {
        tally.gave_up += u64::from(task.is_finished());
        task.abort();
    }
    tally
}
