//! One run: clients, load, what is done to the servers meanwhile, and what came of it.

use futures_util::future::{join_all, try_join_all};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::audience::{Audience, conclude};
use super::order::Order;
use super::outcome::Outcome;
use super::plan::{Load, Plan, Step};
use super::publisher::Publisher;
use super::room::Room;
use super::site::Site;

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
    let audiences = rooms
        .iter()
        .map(|room| Audience::gather(room, each, &ordered));
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
    Outcome {
        seed,
        tally: conclude(publishers, audiences, site.stored(load.channels)).await,
        output: site.output(),
    }
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
