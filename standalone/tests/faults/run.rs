//! One run: clients, load, what is done to the servers meanwhile, and what came of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tidegate_loadtest::dialect::Name;
use tidegate_testkit::deadline::until;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::order::Order;
use super::outcome::Outcome;
use super::plan::{Load, Plan, Step};
use super::publisher::Publisher;
use super::room::Room;
use super::site::Site;
use super::subscriber::{Record, Subscriber};
use super::verdict::{Evidence, Verdict};

/// A channel's subscribers.
struct Audience {
    records: Vec<Rc<RefCell<Record>>>,
    /// They read until they are stopped.
    tasks: Vec<JoinHandle<()>>,
    /// Comes late, and asks for everything.
    latecomer: Subscriber,
}

/// Puts load on a site while what the seed says is done to it.
pub(crate) async fn run(load: Load, seed: u64) -> Outcome {
    println!("seed {seed}");
    LocalSet::new().run_until(play(load, seed)).await
}

async fn play(load: Load, seed: u64) -> Outcome {
    let mut site = Site::start().await.unwrap();
    let gateways = site.gateways();
    let rooms: Vec<_> = (0..load.channels)
        .map(|number| Room::new(number, &gateways))
        .collect();
    let each = load.subscribers / load.channels;
    // Nobody is told the first.
    let (orders, ordered) = watch::channel(Order::GoHome);
    let audiences = rooms.iter().map(|room| gather(room, each, &ordered));
    let audiences = join_all(audiences).await;

    let begin = Instant::now();
    let publishers = rooms.into_iter().map(|room| {
        // One channel after the other, so that there is always something on its way.
        let first = begin + load.pace() * room.number / load.channels;
        let (mut publisher, ordered) = (Publisher::new(room), ordered.clone());
        spawn_local(async move {
            publisher.publish(first, load.pace(), ordered).await;
            publisher
        })
    });
    let publishers: Vec<_> = publishers.collect();
    disturb(&mut site, Plan::new(seed, load.length), &orders).await;
    let end = (begin + load.length).max(Instant::now() + load.length / 10);
    sleep_until(end).await;
    orders.send(Order::Stop).unwrap();
    let publishers = try_join_all(publishers).await.unwrap();
    conclude(load, seed, publishers, audiences, &site).await
}

/// Subscribes a channel's clients: half of them through each gateway, and half of those in each format.
async fn gather(room: &Room, count: u32, orders: &watch::Receiver<Order>) -> Audience {
    let mut audience = Audience {
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
        audience
            .tasks
            .push(spawn_local(subscriber.stay(connection, orders.clone())));
    }
    audience
}

async fn disturb(site: &mut Site, plan: Plan, orders: &watch::Sender<Order>) {
    let begin = Instant::now();
    let (mut gateway, mut server) = (0, 0);
    for (pause, step) in plan.steps {
        sleep(pause).await;
        println!("{:4.1} s: {step:?}", begin.elapsed().as_secs_f64());
        match step {
            Step::KillGateway(number) => {
                gateway = number;
                site.kill_gateway(number).unwrap();
            }
            Step::StartGateway => {
                site.start_gateway(gateway).await.unwrap();
                orders.send(Order::GoHome).unwrap();
            }
            Step::KillFollower(choice) => server = site.kill_follower(choice).await.unwrap(),
            Step::KillLeader => server = site.kill_leader().await.unwrap(),
            Step::StartServer => site.start_server(server).await.unwrap(),
        }
    }
}

/// Lets everything arrive, and compares.
async fn conclude(
    load: Load,
    seed: u64,
    mut publishers: Vec<Publisher>,
    mut audiences: Vec<Audience>,
    site: &Site,
) -> Outcome {
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
    let mut outcome = Outcome {
        seed,
        subscribers: load.subscribers,
        verdict: Verdict::default(),
        recoveries: 0,
        unrecovered: 0,
        gave_up: 0,
        longest_silence: Duration::ZERO,
        output: site.output(),
    };
    let stored = site.stored(load.channels).await.unwrap();
    for ((publisher, audience), stored) in publishers.iter().zip(&mut audiences).zip(&stored) {
        audience.latecomer.join().await.unwrap();
        audience.testify(publisher, stored, &mut outcome);
    }
    for task in audiences.into_iter().flat_map(|it| it.tasks) {
        outcome.gave_up += u64::from(task.is_finished());
        task.abort();
    }
    outcome
}

impl Audience {
    fn has(&self, number: u32) -> bool {
        self.records.iter().all(|it| it.borrow().has(number))
    }

    fn testify(&self, publisher: &Publisher, stored: &[u32], outcome: &mut Outcome) {
        let records: Vec<_> = self.records.iter().map(|it| it.borrow()).collect();
        let late = self.latecomer.record.borrow();
        let witnesses = records.iter().chain([&late]);
        outcome.verdict += Verdict::of(&Evidence {
            published: publisher.published,
            acknowledged: &publisher.acknowledged,
            stored,
            seen: witnesses.map(|it| it.seen.as_slice()).collect(),
        });
        outcome.unrecovered += late.unrecovered;
        for record in records {
            outcome.recoveries += record.recoveries;
            outcome.unrecovered += record.unrecovered;
            outcome.longest_silence = outcome.longest_silence.max(record.longest_silence);
        }
    }
}
