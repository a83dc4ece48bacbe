//! One channel: who publishes, who reads, and what each of them knows.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use tidegate_loadtest::dialect::{Name, Position};
use tidegate_testkit::deadline::until;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use super::order::Order;
use super::publisher::Publisher;
use super::room::Room;
use super::subscriber::{Record, Subscriber};
use super::verdict::{Evidence, Fate, Verdict, Witness};

/// A channel and its clients.
#[derive(Debug)]
pub(crate) struct Channel {
    /// The same at a gateway that knows only what is stored.
    bare: Room,
    publisher: Publisher,
    /// Reads until the cut, and comes back when more was published after it: of every other channel to another gateway.
    returning: Subscriber,
    /// Reads all the time, and comes back as soon as it can.
    staying: Rc<RefCell<Record>>,
    stays: JoinHandle<()>,
    /// Where the channel began.
    beginning: Position,
    audit: Option<Audit>,
}

/// What was to be had right after the cut.
#[derive(Debug)]
struct Audit {
    acknowledged: BTreeSet<u32>,
    /// What is given to one who asks for everything since the beginning.
    recovered: Vec<u32>,
    fate: Fate,
    stored: Vec<u32>,
    is_new_epoch: bool,
}

impl Channel {
    pub(crate) async fn open(room: Room, bare: Room) -> Self {
        let returning = Subscriber::new(room.clone(), Name::CentrifugeProtobuf, 0);
        let mut staying = Subscriber::new(room.clone(), Name::CentrifugeJson, 0);
        let connection = staying.join().await.unwrap();
        // Nobody is told it.
        let (_, ordered) = watch::channel(Order::GoHome);
        let beginning = staying.position().unwrap();
        Self {
            publisher: Publisher::new(room),
            returning: returning.since(staying.position()),
            staying: Rc::clone(&staying.record),
            stays: spawn_local(staying.stay(connection, ordered)),
            beginning,
            audit: None,
            bare,
        }
    }

    /// Publishes one that is acknowledged.
    pub(crate) async fn publish_one(&mut self) {
        self.publisher.close().await.unwrap();
    }

    /// Publishes at this pace and reads, until the cut.
    pub(crate) async fn run(mut self, pace: Duration, mut cut: watch::Receiver<bool>) -> Self {
        // It does not wait for the last answers: they do not come.
        let (_never, ordered) = watch::channel(Order::Stop);
        let mut connection = self.returning.join().await.unwrap();
        let reads = async {
            self.returning.listen(&mut connection).await;
            std::future::pending().await
        };
        tokio::select! {
            () = self.publisher.publish(Instant::now(), pace, ordered) => {}
            () = reads => {}
            _ = cut.changed() => {}
        }
        self
    }

    /// Looks at what the cut has left.
    pub(crate) async fn audit(&mut self) {
        let mut auditor = self.reader(self.beginning.clone());
        auditor.join().await.unwrap();
        let epoch = auditor.position().unwrap().epoch;
        let fate = fate(&auditor.record.borrow());
        let recovered = auditor.record.borrow().seen.clone();
        let is_new_epoch = epoch != self.beginning.epoch;
        let stored = match is_new_epoch {
            false => recovered.clone(),
            true => {
                let mut reader = self.reader(Position { epoch, offset: 0 });
                reader.join().await.unwrap();
                reader.record.borrow().seen.clone()
            }
        };
        self.audit = Some(Audit {
            acknowledged: self.publisher.acknowledged.clone(),
            recovered,
            fate,
            stored,
            is_new_epoch,
        });
    }

    pub(crate) fn has_new_epoch(&self) -> bool {
        self.audit.as_ref().is_some_and(|it| it.is_new_epoch)
    }

    /// Publishes at this pace for so long.
    pub(crate) async fn go_on(&mut self, pace: Duration, length: Duration) {
        self.publish_one().await;
        let (orders, ordered) = watch::channel(Order::Stop);
        let stops = async {
            sleep(length).await;
            orders.send(Order::Stop).unwrap();
        };
        tokio::join!(self.publisher.publish(Instant::now(), pace, ordered), stops);
        self.publish_one().await;
    }

    /// Lets everybody come back.
    pub(crate) async fn conclude(&mut self) -> Verdict {
        let last = self.publisher.acknowledged.last().copied().unwrap();
        let returned = self.come_back(last).await;
        let has_all = || {
            let record = self.staying.borrow();
            record.has(last) || record.unrecovered > 0 || self.stays.is_finished()
        };
        if let Err(error) = until("who stayed has the last publication", has_all).await {
            // It will be missing.
            println!("{error}");
        }
        let audit = self.audit.as_ref().unwrap();
        let acknowledged = &self.publisher.acknowledged;
        let later = |(seen, fate)| Witness {
            acknowledged,
            seen,
            fate,
        };
        let staying = self.staying.borrow();
        let stayed = match self.stays.is_finished() {
            true => Fate::Confused,
            false => fate(&staying),
        };
        let at_once = Witness {
            acknowledged: &audit.acknowledged,
            seen: audit.recovered.clone(),
            fate: audit.fate,
        };
        let clients = vec![
            at_once,
            later(returned),
            later((staying.seen.clone(), stayed)),
        ];
        for (client, what) in clients.iter().zip(["asked at once", "came back", "stayed"]) {
            if client.is_misled() {
                self.describe(client, what);
            }
        }
        Verdict::of(&Evidence {
            acknowledged: &audit.acknowledged,
            stored: &audit.stored,
            clients,
        })
    }

    /// Says what a client has been kept from.
    fn describe(&self, client: &Witness<'_>, what: &str) {
        let (channel, missing) = (&self.bare.name, client.missing());
        let (first, last) = (missing.first(), missing.last());
        println!(
            "{channel}: misled is the one that {what}: {:?}, {} of {} missing, from {first:?} to {last:?}; {} were \
             acknowledged before the cut",
            client.fate,
            missing.len(),
            client.acknowledged.len(),
            self.audit.as_ref().map_or(0, |it| it.acknowledged.len())
        );
    }

    /// What the returning client has seen in the end, and what it was told.
    async fn come_back(&mut self, last: u32) -> (Vec<u32>, Fate) {
        if self.bare.number.is_multiple_of(2) {
            read_until(&mut self.returning, last).await;
            let record = self.returning.record.borrow();
            return (record.seen.clone(), fate(&record));
        }
        let mut elsewhere = self.reader(self.returning.position().unwrap());
        read_until(&mut elsewhere, last).await;
        let (before, after) = (self.returning.record.borrow(), elsewhere.record.borrow());
        ([&*before.seen, &*after.seen].concat(), fate(&after))
    }

    fn reader(&self, position: Position) -> Subscriber {
        let reader = Subscriber::new(self.bare.clone(), Name::CentrifugeProtobuf, 0);
        reader.since(Some(position))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.stays.abort();
    }
}

/// Has a client join, and read until it has a publication or knows that it may miss some. A gateway may have heard less than
/// what is acknowledged by then; the rest follows.
async fn read_until(client: &mut Subscriber, number: u32) {
    let mut connection = client.join().await.unwrap();
    let record = Rc::clone(&client.record);
    let has_all = || {
        let record = record.borrow();
        record.has(number) || record.unrecovered > 0
    };
    let has_all = until("who came back has the last publication", has_all);
    let reads = async {
        client.listen(&mut connection).await;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        arrived = has_all => {
            if let Err(error) = arrived {
                // It will be missing.
                println!("{error}");
            }
        }
        () = reads => {}
    }
}

fn fate(record: &Record) -> Fate {
    match record.unrecovered {
        0 => Fate::Confident,
        _ => Fate::Warned,
    }
}
