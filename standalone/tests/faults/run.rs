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
    auditor: Subscriber,
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
    let audiences = join_all(rooms.iter().map(|room| gather(room, each))).await;

    let (stop, stopped) = watch::channel(false);
    let publishers = rooms.into_iter().map(|room| {
        let (mut publisher, stopped) = (Publisher::new(room), stopped.clone());
        spawn_local(async move {
            publisher.publish(load.pace(), stopped).await;
            publisher
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let begin = Instant::now();
    disturb(&mut site, Plan::new(seed, load.length), begin).await;
    let end = (begin + load.length).max(Instant::now() + load.length / 10);
    sleep_until(end).await;
    stop.send(true).unwrap();
    let publishers = try_join_all(publishers).await.unwrap();
    conclude(load, seed, publishers, audiences, &site).await
}

/// Subscribes a channel's clients: half of them through each gateway, and half of those in each format.
async fn gather(room: &Room, count: u32) -> Audience {
    let mut audience = Audience {
        records: Vec::new(),
        tasks: Vec::new(),
        auditor: Subscriber::new(room.clone(), Name::CentrifugeProtobuf, 0),
    };
    for number in 0..count as usize {
        let format = match number / 2 % 2 {
            0 => Name::CentrifugeJson,
            _ => Name::CentrifugeProtobuf,
        };
        let mut subscriber = Subscriber::new(room.clone(), format, number);
        let connection = subscriber.join().await.unwrap();
        audience.auditor = audience.auditor.since(subscriber.position());
        audience.records.push(Rc::clone(&subscriber.record));
        audience
            .tasks
            .push(spawn_local(subscriber.stay(connection)));
    }
    audience
}

async fn disturb(site: &mut Site, plan: Plan, begin: Instant) {
    let (mut gateway, mut server) = (0, 0);
    for (pause, step) in plan.steps {
        sleep(pause).await;
        println!("{:4.1} s: {step:?}", begin.elapsed().as_secs_f64());
        match step {
            Step::KillGateway(number) => {
                gateway = number;
                site.kill_gateway(number).unwrap();
            }
            Step::StartGateway => site.start_gateway(gateway).await.unwrap(),
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
        longest_silence: Duration::ZERO,
        output: site.output(),
    };
    for (publisher, audience) in publishers.iter().zip(&mut audiences) {
        audience.auditor.join().await.unwrap();
        audience.testify(publisher, &mut outcome);
    }
    for task in audiences.into_iter().flat_map(|it| it.tasks) {
        // One that could not go on has panicked.
        if task.is_finished() {
            task.await.unwrap();
        } else {
            task.abort();
        }
    }
    outcome
}

impl Audience {
    fn has(&self, number: u32) -> bool {
        self.records.iter().all(|it| it.borrow().has(number))
    }

    fn testify(&self, publisher: &Publisher, outcome: &mut Outcome) {
        let records: Vec<_> = self.records.iter().map(|it| it.borrow()).collect();
        let audit = self.auditor.record.borrow();
        outcome.verdict += Verdict::of(&Evidence {
            published: publisher.published,
            acknowledged: &publisher.acknowledged,
            stored: &audit.seen,
            seen: records.iter().map(|it| it.seen.as_slice()).collect(),
        });
        outcome.unrecovered += audit.unrecovered;
        for record in records {
            outcome.recoveries += record.recoveries;
            outcome.unrecovered += record.unrecovered;
            outcome.longest_silence = outcome.longest_silence.max(record.longest_silence);
        }
    }
}
