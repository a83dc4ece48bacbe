//! One rollout: clients and load, each gateway replaced in turn meanwhile, and what came of it.

use futures_util::future::{join_all, try_join_all};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use super::audience::{Audience, conclude};
use super::order::Order;
use super::outcome::Outcome;
use super::plan::Load;
use super::publisher::Publisher;
use super::room::Room;
use super::site::Site;

/// Replaces every gateway of a site under this load.
pub(crate) async fn run(load: Load) -> Outcome {
    LocalSet::new().run_until(play(load)).await
}

async fn play(load: Load) -> Outcome {
    let mut site = Site::start(load).await.unwrap();
    let rooms = (0..load.channels).map(|number| Room::new(number, &site.balancer));
    let rooms: Vec<_> = rooms.collect();
    let each = load.subscribers / load.channels;
    // Nobody is told the first.
    let (orders, ordered) = watch::channel(Order::GoHome);
    let audiences = rooms
        .iter()
        .map(|room| Audience::gather(room, each, &ordered));
    let audiences = join_all(audiences).await;
    println!("clients: {:?}", site.connections().await.unwrap());

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
    sleep(load.pace()).await;
    let mut replaced = Vec::new();
    for _ in 0..3 {
        let one = site.replace_oldest().await.unwrap();
        println!("{:.1} s: {one:?}", begin.elapsed().as_secs_f64());
        replaced.push(one);
    }
    sleep(load.pace()).await;
    orders.send(Order::Stop).unwrap();
    let publishers = try_join_all(publishers).await.unwrap();
    let connections = site.connections().await.unwrap();
    Outcome {
        load,
        tally: conclude(publishers, audiences, site.stored()).await,
        replaced,
        connections,
        output: site.output(),
    }
}
